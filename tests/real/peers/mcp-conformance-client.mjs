// The client that @modelcontextprotocol/conformance wants to look at: mcp-conformance-client.mjs
// [SIDESPAN ARG...] URL. With a command before the URL it goes through that one, which is told to
// listen and where the server is.
import { spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const CALLS = {
  initialize: [],
  tools_call: ['add_numbers', { a: 5, b: 3 }],
  'elicitation-sep1034-client-defaults': ['test_client_elicitation_defaults'],
  'sse-retry': ['test_reconnection'],
};

const command = process.argv.slice(2);
const url = new URL(command.pop());

async function through([program, ...args], server) {
  const proxy = spawn(program, [...args, `--upstream=${server.origin}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((done) => { proxy.on('exit', done); });
  for await (const line of createInterface(proxy.stderr)) {
    const listens = / listening on (\S+)/.exec(line);
    if (listens) return { url: new URL(server.pathname, listens[1]), end: () => proxy.kill() && ended };
  }
  throw new Error('it does not listen');
}

const proxy = command.length > 0 ? await through(command, url) : { url, end: () => undefined };
const client = new Client({ name: 'peer', version: '1' }, { capabilities: { elicitation: { form: { applyDefaults: true } } } });
client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: {} }));
await client.connect(new StreamableHTTPClientTransport(proxy.url));
await client.listTools();
const [name, args = {}] = CALLS[process.env.MCP_CONFORMANCE_SCENARIO];
if (name) await client.callTool({ name, arguments: args });
await client.close();
await proxy.end();
process.exit(0);
