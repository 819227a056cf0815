// An MCP session of one of the two SDKs over stdio or HTTP: mcp.mjs 1|2 FOLDER COMMAND [ARG...] or,
// where a path /sse is the older pair of a stream and POSTs, mcp.mjs 1|2 FOLDER URL
// Everything that the server can do is asked of it once; prints what came, as JSON, one line a step.
import process from 'node:process';

const [version, folder, command, ...args] = process.argv.slice(2);
const v1 = version === '1';
const sdk = (first, second = '') => import(
  v1 ? `@modelcontextprotocol/sdk/client/${first}.js` : `@modelcontextprotocol/client${second}`);
const { Client } = await sdk('index');
const schemas = v1 ? await import('@modelcontextprotocol/sdk/types.js') : null;

const say = (step, what) => console.log(JSON.stringify({ step, what }));
const client = new Client({ name: 'peer', version: '1' },
  { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } });
const asked = [];
const answer = (method, schema, handler) => client.setRequestHandler(v1 ? schemas[schema] : method, (request) => {
  asked.push(method);
  return handler(request);
});

answer('sampling/createMessage', 'CreateMessageRequestSchema', async () => ({
  model: 'none', role: 'assistant', content: { type: 'text', text: 'sampled' } }));
answer('elicitation/create', 'ElicitRequestSchema', async () => ({ action: 'decline' }));
answer('roots/list', 'ListRootsRequestSchema', async () => ({ roots: [{ uri: 'file:///tmp', name: 'tmp' }] }));

const transports = {
  async stdio() {
    return new (await sdk('stdio', '/stdio')).StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' });
  },
  async '/mcp'() {
    return new (await sdk('streamableHttp')).StreamableHTTPClientTransport(new URL(command));
  },
  async '/sse'() {
    return new (await sdk('sse')).SSEClientTransport(new URL(command));
  },
};
const transport = await transports[command.includes('://') ? new URL(command).pathname : 'stdio']();
const requests = {};
const send = transport.send.bind(transport);
transport.send = (message, options) => {
  if (message.id !== undefined && message.method) requests[message.method] = (requests[message.method] ?? 0) + 1;
  return send(message, options);
};
await client.connect(transport);
say('server', client.getServerVersion().name);
const tools = (await client.listTools()).tools.map((tool) => tool.name).sort();
say('tools', tools);
const call = async (name, given = {}, options = undefined) => {
  try {
    const request = { name, arguments: given };
    const got = v1 ? await client.callTool(request, undefined, options) : await client.callTool(request, options);
    say(name, { isError: got.isError ?? false, content: got.content });
  } catch (error) {
    say(name, { thrown: error.code ?? error.name });
  }
};
const has = (name) => tools.includes(name);

if (has('echo')) {
  await call('echo', { message: 'caf\u00e9 \u{1f600} "quoted" \\ back\nline' });
  await call('get-sum', { a: 2, b: 40 });
  await call('get-sum', { a: 'no number' });
  await call('no-such-tool');
  await call('get-structured-content', { location: 'Chicago' });
  await call('get-tiny-image');
  await call('get-roots-list');
  await call('trigger-sampling-request', { prompt: 'hello', maxTokens: 5 });
  await call('trigger-elicitation-request');
  const steps = [];
  await call('trigger-long-running-operation', { duration: 0.2, steps: 2 },
    { onprogress: (progress) => steps.push(progress.progress) });
  say('progress', steps[0]); // the last may come behind the answer
  const stop = new AbortController();
  setTimeout(() => stop.abort('enough'), 100);
  await call('trigger-long-running-operation', { duration: 30, steps: 3 }, { signal: stop.signal });
  await Promise.all([...Array(40).keys()].map((a) => call('get-sum', { a, b: 1 }).then(() => 0)));
  say('prompts', (await client.listPrompts()).prompts.map((prompt) => prompt.name));
  say('prompt', (await client.getPrompt({ name: 'simple-prompt' })).messages);
  say('resources', (await client.listResources()).resources.length);
} else {
  await call('write_file', { path: `${folder}/a.txt`, content: 'x'.repeat(100000) });
  await call('read_text_file', { path: `${folder}/a.txt` });
  await call('read_text_file', { path: '/etc/passwd' });
  await call('list_directory', { path: folder });
}
await client.ping();
await transport.terminateSession?.();
await client.close();
say('requests', requests);
say('asked', asked);
say('closed', true);
