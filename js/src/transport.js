/** The network, in one place: everything else can be tested with another transport put in here. */
import { ask } from "./endpoint.js";
import { send } from "./send.js";

export const transport = { ask, send };
