// What can go wrong between the editor and arcrun, in words for people.
import { plain } from "./words";

/** arcrun could not be asked, or refused: `hint` is the command to type next. */
export class ArcrunFault extends Error {
  constructor(
    message: string,
    readonly hint: string = "",
  ) {
    super(message);
    this.name = new.target.name;
  }
}

/** There is no arcrun to start. */
export class NotFound extends ArcrunFault {}

/** It did not answer within its time, and was stopped. */
export class TookTooLong extends ArcrunFault {}

/** Its answer is not of the shape that its reference promises. */
export class Unreadable extends ArcrunFault {}

/** What happened, and after an arrow what to do; either may be missing. */
export const inWords = ({
  message,
  hint,
}: {
  message: string | null;
  hint: string | null;
}): string =>
  [message, hint]
    .map((text) => plain(text ?? ""))
    .filter((text) => text !== "")
    .join(" → ");
