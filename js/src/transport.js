/** The network, in one place: everything else can be tested with another transport put in here. */
import { presign } from "./presign.js";
import { send } from "./send.js";

export const transport = { presign, send };
