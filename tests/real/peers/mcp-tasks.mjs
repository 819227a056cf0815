// A tool of server-everything as a task that asks for more, by the first SDK: mcp-tasks.mjs COMMAND [ARG...]
import process from 'node:process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: 'peer', version: '1' }, { capabilities: {
  elicitation: { form: {} }, tasks: { list: {}, cancel: {}, requests: { elicitation: { create: {} } } } } });
client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { interpretation: 'technical' } }));
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' }));
const call = { name: 'simulate-research-query', arguments: { topic: 'x', ambiguous: true } };
for await (const message of client.experimental.tasks.callToolStream(call, CallToolResultSchema, { task: { ttl: 60000 } }))
  console.log(JSON.stringify({ step: message.type, what: message.task?.status ?? null }));
await client.close();
process.exit(0);
