// A session of the draft of ACP's version 2 with the protocol's own library: acp-2.mjs COMMAND [ARG...]
import { spawn } from 'node:child_process';
import { Readable, Writable } from 'node:stream';
import process from 'node:process';
import { client, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk/experimental/v2';

const [command, ...args] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }));
const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
let idle = () => {}, called = () => {};

const app = client({ name: 'peer-client' })
  .onRequest(methods.client.session.requestPermission, ({ params }) => {
    say('permission', params.subject);
    return { outcome: { outcome: 'selected', optionId: 'yes' } };
  })
  .onNotification(methods.client.session.update, ({ params }) => {
    say('update', params.update);
    if (params.update.state === 'idle') idle();
    if (params.update.status === 'completed') called(params.sessionId);
  });

await app.connectWith(ndJsonStream(Writable.toWeb(server.stdin), Readable.toWeb(server.stdout)), async (agent) => {
  const found = await agent.request(methods.agent.initialize,
    { protocolVersion: PROTOCOL_VERSION, info: { name: 'peer-client', version: '2' }, capabilities: {} });
  say('agent', found.info);
  const { sessionId } = await agent.request(methods.agent.session.new, { cwd: '/', mcpServers: [] });
  const prompt = async (text) => {
    const over = new Promise((done) => { idle = done; });
    say('taken', await agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] }));
    await over;
  };
  await prompt('do it');
  await prompt('fail');
  called = (session) => agent.notify(methods.agent.session.cancel, { sessionId: session });
  await prompt('wait');
});
server.stdin.end();
await new Promise((done) => server.on('exit', done));
say('closed', true);
process.exit(0);
