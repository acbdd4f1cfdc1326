// A certified OpenID provider on a free port of 127.0.0.1. Everything is in memory.
// Prints its issuer as the first line; ends when its standard input is closed.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const ACCESS_TOKEN_SECONDS = 4;

const native = {
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback', 'http://[::1]/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};

const configuration = {
  clients: [
    { ...native, client_id: 'public', token_endpoint_auth_method: 'none' },
    {
      ...native,
      client_id: 'confidential',
      client_secret: 'a&b=c+d%e:f',
      token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      ...native,
      client_id: 'posting',
      client_secret: 'a&b=c+d%e:f',
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  cookies: { keys: ['tests only'] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { AccessToken: ACCESS_TOKEN_SECONDS, RefreshToken: 600, Session: 600, Grant: 600, Interaction: 600 },
};

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(issuer);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
