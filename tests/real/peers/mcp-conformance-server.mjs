// The server that @modelcontextprotocol/conformance wants to look at: mcp-conformance-server.mjs
// PORT. Names and texts are those that its scenarios describe; a stream that is closed can be taken
// up again. Prints the requests that it gets, as JSON, one line each.
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as schemas from '@modelcontextprotocol/sdk/types.js';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const SOUND = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

const text = (said) => ({ type: 'text', text: said });
const image = { type: 'image', data: PIXEL, mimeType: 'image/png' };
const resource = (uri, mimeType, said) => ({ type: 'resource', resource: { uri, mimeType, text: said } });
const object = (properties = {}, more = {}) => ({ type: 'object', properties, ...more });
const titled = (name, count) => [...Array(count).keys()].map((i) => ({ const: `value${i + 1}`, title: `${name} ${i + 1}` }));
const plain = (count, name = 'option') => [...Array(count).keys()].map((i) => `${name}${i + 1}`);

const FORM_WITH_DEFAULTS = object({
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
});
const FORM_WITH_CHOICES = object({
  untitledSingle: { type: 'string', enum: plain(3) },
  titledSingle: { type: 'string', oneOf: titled('Option', 3) },
  legacyEnum: { type: 'string', enum: plain(3, 'opt'), enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: plain(3) } },
  titledMulti: { type: 'array', items: { anyOf: titled('Choice', 3) } },
});

const ask = (context, message, requestedSchema) => context.sendRequest(
  { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } }, schemas.ElicitResultSchema);
const completed = async (context, message, form) => {
  const { action, content } = await ask(context, message, form);
  return [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)];
};

// name: [what it does, its arguments' schema]; what it does returns the content
const TOOLS = {
  test_simple_text: [() => [text('This is a simple text response for testing.')]],
  test_image_content: [() => [image]],
  test_audio_content: [() => [{ type: 'audio', data: SOUND, mimeType: 'audio/wav' }]],
  test_embedded_resource: [() => [
    resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')]],
  test_multiple_content_types: [() => [text('Multiple content types test:'), image,
    resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')]],
  test_tool_with_logging: [async (_, context) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await context.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
      await sleep(50);
    }
    return [text('logged')];
  }],
  test_tool_with_progress: [async (_, context) => {
    const progressToken = context._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await context.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await sleep(50);
    }
    return [text('done')];
  }],
  test_error_handling: [() => { throw new Error('This tool intentionally returns an error for testing'); }],
  test_sampling: [async ({ prompt }, context) => {
    const messages = [{ role: 'user', content: text(prompt) }];
    const { content } = await context.sendRequest(
      { method: 'sampling/createMessage', params: { messages, maxTokens: 100 } }, schemas.CreateMessageResultSchema);
    return [text(`LLM response: ${content.text}`)];
  }, object({ prompt: { type: 'string' } }, { required: ['prompt'] })],
  test_elicitation: [async ({ message }, context) => {
    const given = { username: { type: 'string' }, email: { type: 'string' } };
    const { action, content } = await ask(context, message, object(given, { required: Object.keys(given) }));
    return [text(`User response: action: ${action}, content: ${JSON.stringify(content ?? {})}`)];
  }, object({ message: { type: 'string' } }, { required: ['message'] })],
  test_elicitation_sep1034_defaults: [(_, context) => completed(context, 'Defaults', FORM_WITH_DEFAULTS)],
  test_elicitation_sep1330_enums: [(_, context) => completed(context, 'Choices', FORM_WITH_CHOICES)],
  test_reconnection: [async (_, context) => {
    transports.get(context.sessionId).closeSSEStream(context.requestId);
    await sleep(100);
    return [text('taken up again')];
  }],
  json_schema_2020_12_tool: [() => [text('valid')], object(
    { name: { type: 'string' }, address: { $ref: '#/$defs/address' } }, {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $defs: { address: object({ street: { type: 'string' }, city: { type: 'string' } }) },
      additionalProperties: false,
    })],
};

// name: [its messages, its arguments]
const PROMPTS = {
  test_simple_prompt: [() => [text('This is a simple prompt for testing.')], []],
  test_prompt_with_arguments: [({ arg1, arg2 }) => [
    text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)], ['arg1', 'arg2']],
  test_prompt_with_embedded_resource: [({ resourceUri }) => [
    resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
    text('Please process the embedded resource above.')], ['resourceUri']],
  test_prompt_with_image: [() => [image, text('Please analyze the image above.')], []],
};

const RESOURCES = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: PIXEL },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
};

function read(uri) {
  const id = /^test:\/\/template\/(.*)\/data$/.exec(uri)?.[1];
  const found = id === undefined ? RESOURCES[uri] : { mimeType: 'application/json',
    text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
  return { contents: [{ uri, ...found }] };
}

function serve() {
  const server = new Server({ name: 'conformance', version: '1' },
    { capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} } });
  const on = (schema, handler) => server.setRequestHandler(schemas[`${schema}RequestSchema`], handler);
  on('ListTools', () => ({ tools: Object.entries(TOOLS).map(
    ([name, [, inputSchema]]) => ({ name, description: `Tool ${name}`, inputSchema: inputSchema ?? object() })) }));
  on('CallTool', async ({ params }, context) => {
    try {
      return { content: await TOOLS[params.name][0](params.arguments, context) };
    } catch (error) {
      return { isError: true, content: [text(error.message)] };
    }
  });
  on('ListPrompts', () => ({ prompts: Object.entries(PROMPTS).map(([name, [, args]]) => ({ name,
    description: `Prompt ${name}`, arguments: args.map((arg) => ({ name: arg, description: arg, required: true })) })) }));
  on('GetPrompt', ({ params }) => ({ messages: PROMPTS[params.name][0](params.arguments).map(
    (content) => ({ role: 'user', content })) }));
  on('ListResources', () => ({ resources: Object.entries(RESOURCES).map(
    ([uri, { mimeType }]) => ({ uri, name: uri, description: `Resource ${uri}`, mimeType })) }));
  on('ListResourceTemplates', () => ({ resourceTemplates: [
    { uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' }] }));
  on('ReadResource', ({ params }) => read(params.uri));
  on('Subscribe', () => ({}));
  on('Unsubscribe', () => ({}));
  on('Complete', () => ({ completion: { values: ['paris', 'park', 'party'], total: 150, hasMore: false } }));
  return server;
}

const events = []; // of all streams, in order
const eventStore = {
  async storeEvent(stream, message) {
    return String(events.push({ stream, message }));
  },
  async replayEventsAfter(last, { send }) {
    const { stream } = events[last - 1];
    for (let i = Number(last); i < events.length; i += 1) {
      if (events[i].stream === stream && Object.keys(events[i].message).length > 0) {
        await send(String(i + 1), events[i].message);
      }
    }
    return stream;
  },
};

// Each request of a client, and in which context it came.
function tell(transport) {
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    if (message.method !== undefined && message.id !== undefined) {
      console.log(JSON.stringify({ step: message.method, what: message.params?._meta?.traceparent }));
    }
    onmessage(message, extra);
  };
}

const transports = new Map();
const app = createMcpExpressApp();
app.all('/mcp', async (request, response) => {
  // the scenario that takes up a stream says that it is of a version that knows of no such thing
  const version = request.rawHeaders.findIndex((name) => name.toLowerCase() === 'mcp-protocol-version');
  if (version >= 0) request.rawHeaders[version + 1] = '2025-11-25';
  let transport = transports.get(request.get('mcp-session-id'));
  if (!transport) {
    transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, eventStore, retryInterval: 100,
      onsessioninitialized: (id) => transports.set(id, transport) });
    await serve().connect(transport);
    tell(transport);
  }
  await transport.handleRequest(request, response, request.body);
});
app.listen(process.argv[2], '127.0.0.1');
