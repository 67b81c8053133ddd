// The job of `procpool-ping`, by the SDK of this checkout.
const { serve } = require("../../sdk/node");

serve({
  name: "ping",
  run(text) {
    if (text !== "ping") throw new Error(`expected "ping", got ${JSON.stringify(text)}`);
    return "pong";
  },
});
