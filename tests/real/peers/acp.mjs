// An ACP session with the protocol's own library: acp.mjs FOLDER COMMAND [ARG...]
import { spawn } from 'node:child_process';
import { Readable, Writable } from 'node:stream';
import process from 'node:process';
import { client, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk';

const [, command, ...args] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }));
const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
let asked = () => {};

const app = client({ name: 'peer-client' })
  .onRequest(methods.client.session.requestPermission, ({ params }) => {
    say('permission', params.toolCall.toolCallId);
    return { outcome: { outcome: 'selected', optionId: 'yes' } };
  })
  .onRequest(methods.client.fs.readTextFile, ({ params }) => ({ content: `of ${params.path}: \u00e9\u{1f600}` }))
  .onNotification(methods.client.session.update, ({ params }) => {
    say('update', params.update);
    if (params.update.sessionUpdate === 'tool_call_update') asked(params.sessionId);
  });

await app.connectWith(ndJsonStream(Writable.toWeb(server.stdin), Readable.toWeb(server.stdout)), async (agent) => {
  const found = await agent.request(methods.agent.initialize,
    { protocolVersion: PROTOCOL_VERSION, clientCapabilities: { fs: { readTextFile: true } }, clientInfo: { name: 'peer-client', version: '1' } });
  say('agent', found.agentInfo);
  const { sessionId } = await agent.request(methods.agent.session.new, { cwd: '/', mcpServers: [] });
  const prompt = (text) => agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] });
  say('prompt', await prompt('do it'));
  say('failed', await prompt('fail').catch((error) => error.code));
  asked = (session) => agent.notify(methods.agent.session.cancel, { sessionId: session });
  say('cancelled', await prompt('wait'));
});
server.stdin.end();
await new Promise((done) => server.on('exit', done));
say('closed', true);
process.exit(0);
