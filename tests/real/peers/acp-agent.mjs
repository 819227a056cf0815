// An ACP agent of the protocol's own library, on standard input and output: plans, asks for a permission, runs a tool.
import { Readable, Writable } from 'node:stream';
import process from 'node:process';
import { agent, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk';

const stop = new Map(); // by session: told to cancel
let sessions = 0;

agent({ name: 'peer-agent' })
  .onRequest(methods.agent.initialize, () => ({
    protocolVersion: PROTOCOL_VERSION, agentCapabilities: { loadSession: false }, agentInfo: { name: 'peer-agent', version: '1' } }))
  .onRequest(methods.agent.session.new, () => ({ sessionId: `session-${++sessions}` }))
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => {
    const { sessionId } = params;
    const text = params.prompt[0].text;
    const update = (what) => client.notify(methods.client.session.update, { sessionId, update: what });
    if (text === 'fail') throw new Error('no model');
    await update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'let me ' } });
    await update({ sessionUpdate: 'tool_call', toolCallId: 'call-1', title: 'Make it', kind: 'execute', status: 'pending' });
    const asked = await client.request(methods.client.session.requestPermission, {
      sessionId, toolCall: { toolCallId: 'call-1' },
      options: [{ optionId: 'yes', name: 'Yes', kind: 'allow_once' }, { optionId: 'no', name: 'No', kind: 'reject_once' }] });
    const allowed = asked.outcome.outcome === 'selected' && asked.outcome.optionId === 'yes';
    await update({ sessionUpdate: 'tool_call_update', toolCallId: 'call-1', status: allowed ? 'completed' : 'failed' });
    if (text === 'wait') {
      await new Promise((done) => { stop.set(sessionId, done); });
      return { stopReason: 'cancelled' };
    }
    const file = await client.request(methods.client.fs.readTextFile, { sessionId, path: '/notes.txt' });
    await update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: file.content } });
    return { stopReason: 'end_turn' };
  })
  .onNotification(methods.agent.session.cancel, ({ params }) => stop.get(params.sessionId)?.())
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
