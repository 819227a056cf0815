// An LSP session of vscode-jsonrpc: lsp.mjs FOLDER FILE LANGUAGE COMMAND [ARG...], or unix:SOCKET for a server that
// listens there. FOLDER/FILE is a source with one error in it; prints what came, as JSON, one line a step.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import process from 'node:process';
import rpc from 'vscode-jsonrpc/node';

const [folder, name, language, command, ...args] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }));
const socket = command.startsWith('unix:') && connect(command.slice('unix:'.length));
const server = socket || spawn(command, args, { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
const connection = rpc.createMessageConnection(
  new rpc.StreamMessageReader(socket || server.stdout), new rpc.StreamMessageWriter(socket || server.stdin));
const uri = `file://${folder}/${name}`;
const text = readFileSync(`${folder}/${name}`, 'utf8');
const textDocument = { uri };
const diagnosed = new Promise((done) => {
  connection.onNotification('textDocument/publishDiagnostics', (params) => {
    if (params.uri === uri && params.diagnostics.length > 0) done(params.diagnostics.map((each) => each.range.start.line));
  });
});
connection.onRequest('workspace/configuration', (params) => params.items.map(() => null));
connection.onRequest('window/workDoneProgress/create', () => null);
connection.onRequest('client/registerCapability', () => null);
connection.listen();

const initialized = await connection.sendRequest('initialize', {
  processId: process.pid, rootUri: `file://${folder}`, clientInfo: { name: 'peer', version: '1' },
  capabilities: { window: { workDoneProgress: true }, textDocument: { publishDiagnostics: {} } },
});
say('capabilities', Object.keys(initialized.capabilities).sort());
connection.sendNotification('initialized', {});
connection.sendNotification('textDocument/didOpen', { textDocument: { uri, languageId: language, version: 1, text } });
say('diagnostics', await diagnosed);
const at = { line: text.split('\n').findIndex((line) => line.includes('caf\u00e9')), character: 8 };
say('hover', await connection.sendRequest('textDocument/hover', { textDocument, position: at }).then((got) => got !== null));
say('symbols', (await connection.sendRequest('textDocument/documentSymbol', { textDocument })).map((each) => each.name).sort());
say('definition', (await connection.sendRequest('textDocument/definition', { textDocument, position: at })).length ?? 1);
await connection.sendRequest('no/such', {}).catch((error) => say('error', error.code));
const cancel = new rpc.CancellationTokenSource();
const pending = connection.sendRequest('textDocument/semanticTokens/full', { textDocument }, cancel.token).then(() => 0, () => 0);
cancel.cancel();
say('cancelled', await pending);
say('shutdown', await connection.sendRequest('shutdown'));
connection.sendNotification('exit');
say('exit', await new Promise((done) => server.on(socket ? 'close' : 'exit', done)));
process.exit(0);
