const input = document.querySelector('input'), select = document.querySelector('select');
const items = [...document.querySelectorAll('li')], shown = document.querySelector('output');
const plain = (text) => text.toLowerCase().normalize('NFKD');
function filter() {
  const words = plain(input.value).split(/\s+/).filter(Boolean);
  let count = 0;
  for (const item of items) {
    const fits = (!select.value || item.dataset.category === select.value)
      && words.every((word) => item.dataset.text.includes(word));
    item.hidden = !fits;
    count += fits;
  }
  shown.textContent = count === 1 ? '1 service' : `${count} services`;
  history.replaceState(null, '', input.value ? '#' + encodeURIComponent(input.value) : ' ');
}
input.value = decodeURIComponent(location.hash.slice(1));
input.addEventListener('input', filter);
select.addEventListener('change', filter);
document.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const first = items.find((item) => !item.hidden);
  if (first) first.querySelector('a').click();
});
filter();
