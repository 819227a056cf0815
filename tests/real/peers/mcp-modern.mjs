// An MCP session of 2026-07-28, without initialize, of the second SDK over stdio: mcp-modern.mjs COMMAND [ARG...]
import process from 'node:process';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [command, ...args] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }));
const client = new Client({ name: 'peer', version: '1' },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: '2026-07-28' } } });
client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { confirm: true } }));
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' }));
say('server', client.getServerVersion()?.name);

const call = async (name, options) => {
  try {
    const got = await client.callTool({ name, arguments: {} }, options);
    say(name, name === 'meta' ? JSON.parse(got.content[0].text) : got);
  } catch (error) {
    say(name, { thrown: error.code ?? error.name });
  }
};
await call('order');
await call('fail');
await call('no-such-tool');
await call('steps', { onprogress: () => {} }); // whether it is told before the answer is chance
await call('meta');
const stop = new AbortController();
setTimeout(() => stop.abort('enough'), 100);
await call('wait', { signal: stop.signal });
say('prompt', (await client.getPrompt({ name: 'greet' })).messages);
say('tools', (await client.listTools()).tools.map((tool) => tool.name));
await client.close();
say('closed', true);
process.exit(0);
