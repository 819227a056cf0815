// A session with aria2: POST, GET and WebSocket on one port: aria2.mjs URL, of its /jsonrpc.
// Prints what came, as JSON, one line a step; what differs from time to time is left out.
import process from 'node:process';
import { WebSocket } from 'ws';

const [url] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }));
const asked = (id, method, ...params) => ({ jsonrpc: '2.0', id, method, params });
const answer = async (response) => [response.status, response.headers.get('content-type'), await response.json()];
const post = async (body) => answer(await fetch(url, { method: 'POST', body: JSON.stringify(body) }));

say('post', await post(asked('a', 'aria2.getVersion')));
say('batch', await post([asked(1, 'aria2.getGlobalOption'), asked(2, 'no.such'), asked(3, 'system.listMethods')]));
say('many', await post(asked('m', 'system.multicall', [{ methodName: 'aria2.getVersion', params: [] }])));
say('broken', await (await fetch(url, { method: 'POST', body: '{"id":' })).text());
say('get', await answer(await fetch(`${url}?method=aria2.getVersion&id=g`)));
say('jsonp', await (await fetch(`${url}?method=aria2.getVersion&id=g&jsoncallback=called`)).text());
say('options', [...(await fetch(url, { method: 'OPTIONS', headers: {
  Origin: url.replace(/\/jsonrpc$/, ''), 'Access-Control-Request-Method': 'POST' } })).headers.keys()].sort());

const socket = new WebSocket(url.replace(/^http/, 'ws'));
const answers = new Map();
const told = [];
let stopped;
const stop = new Promise((done) => { stopped = done; });
socket.on('message', (text) => {
  const message = JSON.parse(text);
  if (message.id !== undefined) answers.get(message.id)(message.result ?? message.error);
  else told.push(message.method);
  if (message.method === 'aria2.onDownloadError') stopped();
});
await new Promise((done) => { socket.on('open', done); });
const call = (id, method, ...params) => new Promise((done) => {
  answers.set(id, done);
  socket.send(JSON.stringify(asked(id, method, ...params)));
});
say('socket', await call('s', 'aria2.getVersion'));
say('added', (await call(1, 'aria2.addUri', ['http://127.0.0.1:1/nothing'])).length);
await stop;
say('told', told);
say('none', await call(2, 'no.such'));
socket.close();
await new Promise((done) => { socket.on('close', done); });
process.exit(0);
