// Node's http in front of Piscina. Prints its port.
const http = require("http");
const { Piscina } = require("piscina");
const pool = new Piscina({ filename: __dirname + "/piscina_worker.js", minThreads: 2, maxThreads: 2 });
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const answer = JSON.stringify(await pool.run(JSON.parse(Buffer.concat(parts).toString())));
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Content-Length", Buffer.byteLength(answer));
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => console.log("listening on " + server.address().port));
