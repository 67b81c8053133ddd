// The other side of post_message.js: sends back what it is sent.
const { parentPort } = require("worker_threads");
parentPort.on("message", (message) => parentPort.postMessage(message));
