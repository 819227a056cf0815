// Asks mcp-meta-server in which context its tool is called, without one of our own and with one:
// mcp-meta.mjs COMMAND [ARG...] or mcp-meta.mjs URL. Prints what it says.
import process from 'node:process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: 'peer', version: '1' });
await client.connect(command.includes('://')
  ? new StreamableHTTPClientTransport(new URL(command))
  : new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' }));
const ask = async (options, meta) => JSON.parse((await client.callTool(
  { name: 'meta', arguments: {}, ...(meta && { _meta: meta }) }, undefined, options)).content[0].text);
console.log(JSON.stringify({ step: 'bare', what: await ask() }));
console.log(JSON.stringify({ step: 'theirs', what: await ask({ onprogress: () => {} }, {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'k=v' }) }));
await client.close();
process.exit(0);
