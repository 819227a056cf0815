// An agent of the draft of ACP's version 2, on standard input and output: a prompt is answered when it is taken up, and
// the turn goes on until the session is idle.
import { Readable, Writable } from 'node:stream';
import process from 'node:process';
import { agent, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk/experimental/v2';

const stop = new Map(); // by session: told to cancel
let sessions = 0, messages = 0, calls = 0;

async function turn(client, sessionId, text) {
  const update = (what) => client.notify(methods.client.session.update, { sessionId, update: what });
  await update({ sessionUpdate: 'state_update', state: 'running' });
  await update({ sessionUpdate: 'agent_message_chunk', messageId: 'a1', content: { type: 'text', text: 'let me ' } });
  const toolCallId = `call-${++calls}`;
  await update({ sessionUpdate: 'tool_call_update', toolCallId, title: 'Make it', kind: 'execute', status: 'in_progress' });
  const asked = await client.request(methods.client.session.requestPermission, {
    sessionId, title: 'May I?', subject: { type: 'tool_call', toolCall: { toolCallId } },
    options: [{ optionId: 'yes', name: 'Yes', kind: 'allow_once' }, { optionId: 'no', name: 'No', kind: 'reject_once' }] });
  const allowed = asked.outcome.outcome === 'selected' && asked.outcome.optionId === 'yes';
  await update({ sessionUpdate: 'tool_call_update', toolCallId, status: allowed ? 'completed' : 'failed' });
  let stopReason = 'end_turn';
  if (text === 'wait') {
    await new Promise((done) => { stop.set(sessionId, done); });
    stopReason = 'cancelled';
  }
  await update({ sessionUpdate: 'usage_update', used: 1200, size: 200000 });
  const failed = text === 'fail' && { error: { code: -32603, message: 'no model' } };
  await update({ sessionUpdate: 'state_update', state: 'idle', stopReason: failed ? 'error' : stopReason, ...failed });
}

agent({ name: 'peer-agent' })
  .onRequest(methods.agent.initialize, () => ({ protocolVersion: PROTOCOL_VERSION, info: { name: 'peer-agent', version: '2' } }))
  .onRequest(methods.agent.session.new, () => ({ sessionId: `session-${++sessions}` }))
  .onRequest(methods.agent.session.prompt, ({ params, client }) => {
    setImmediate(turn, client, params.sessionId, params.prompt[0].text);
    return { messageId: `m${++messages}` };
  })
  .onNotification(methods.agent.session.cancel, ({ params }) => stop.get(params.sessionId)?.())
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
