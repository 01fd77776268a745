// Loaded before Lodestar: binds every socket of the process to the loopback interface, and gives Node 20 what Lodestar's libraries expect
// of Node 22.
const net = require("net");
const dgram = require("dgram");
const LOOPBACK = "127.0.0.1";
const isAny = (host) => host === undefined || host === "0.0.0.0" || host === "::";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const [first, second] = args;
  if (first && typeof first === "object" && "port" in first) {
    if (isAny(first.host)) args[0] = { ...first, host: LOOPBACK };
  } else if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
    if (typeof second !== "string") args.splice(1, 0, LOOPBACK);
    else if (isAny(second)) args[1] = LOOPBACK;
  }
  return listen.apply(this, args);
};

const bind = dgram.Socket.prototype.bind;
dgram.Socket.prototype.bind = function (...args) {
  const [first, second] = args;
  if (first && typeof first === "object") args[0] = { ...first, address: LOOPBACK };
  else if (args.length === 0 || typeof first === "function") args.unshift(0, LOOPBACK);
  else if (typeof second === "string") args[1] = LOOPBACK;
  else args.splice(1, 0, LOOPBACK);
  return bind.apply(this, args);
};

Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => ([resolve, reject] = [a, b]));
  return { promise, resolve, reject };
};
