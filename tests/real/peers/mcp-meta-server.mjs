// A server with one tool, which shows in which context it was called: what came in _meta and, over
// HTTP, in header fields. mcp-meta-server.mjs [PORT]; without one, on standard input and output.
import process from 'node:process';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const FIELDS = ['traceparent', 'tracestate', 'baggage'];
const shown = (extra) => ({ ...extra._meta, fields: extra.requestInfo && Object.fromEntries(
  FIELDS.filter((name) => extra.requestInfo.headers[name]).map((name) => [name, extra.requestInfo.headers[name]])) });

async function serve(transport) {
  const server = new McpServer({ name: 'meta', version: '1' });
  server.registerTool('meta', {}, async (extra) => ({ content: [{ type: 'text', text: JSON.stringify(shown(extra)) }] }));
  await server.connect(transport);
  return transport;
}

if (process.argv.length > 2) {
  const app = createMcpExpressApp();
  app.all('/mcp', async (request, response) => {
    const transport = await serve(new StreamableHTTPServerTransport({ sessionIdGenerator: undefined }));
    await transport.handleRequest(request, response, request.body);
  });
  app.listen(process.argv[2], '127.0.0.1');
} else {
  await serve(new StdioServerTransport());
}
