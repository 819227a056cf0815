// An MCP server of the second SDK on standard input and output, for both eras: one tool that needs more input, one that
// tells what it was sent beside its arguments, one that fails, one that waits.
import { acceptedContent, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const text = (what) => ({ content: [{ type: 'text', text: JSON.stringify(what) }] });
const form = { type: 'object', properties: { confirm: { type: 'boolean' } }, required: ['confirm'] };

serveStdio(() => {
  const server = new McpServer({ name: 'modern-server', version: '1' });
  server.registerTool('order', {}, async (ctx) => {
    const told = acceptedContent(ctx.mcpReq.inputResponses, 'confirm');
    if (told === undefined)
      return inputRequired({
        requestState: 'state-'.padEnd(600, 'x'), // opaque, and as long as a signed one may be
        inputRequests: { confirm: inputRequired.elicit({ message: 'really?', requestedSchema: form }) } });
    return text(told);
  });
  server.registerTool('meta', {}, async (ctx) => text(ctx.mcpReq._meta ?? null));
  server.registerTool('fail', {}, async () => ({ isError: true, ...text('no') }));
  server.registerTool('wait', {}, async (ctx) => {
    await new Promise((done) => { ctx.mcpReq.signal.addEventListener('abort', done); });
    return text('stopped');
  });
  server.registerTool('steps', {}, async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1, total: 2 } });
    return text('done');
  });
  server.registerPrompt('greet', {}, async () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'hello' } }] }));
  return server;
});
