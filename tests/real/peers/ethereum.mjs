// A session of one of three Ethereum libraries over WebSocket: ethereum.mjs ethers|viem|web3 URL
// Prints what came, as JSON, one line a step; what differs from node to node is left out.
import process from 'node:process';

const [library, url] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }, (_, v) => (typeof v === 'bigint' ? `${v}` : v)));
const wait = (condition) => new Promise((done) => {
  const look = setInterval(() => { if (condition()) { clearInterval(look); done(); } }, 5);
});
const heads = [];

const sessions = {
  async ethers() {
    const { WebSocketProvider } = await import('ethers');
    const provider = new WebSocketProvider(url);
    await provider.on('block', (number) => heads.push(number));
    say('chain', (await provider.getNetwork()).chainId);
    const [from, to] = await provider.send('eth_accounts', []);
    say('balance', await provider.getBalance(to));
    await provider.send('eth_sendTransaction', [{ from, to, value: '0x1' }]);
    await wait(() => heads.length > 0);
    say('batch', (await Promise.all([1, 2, 3].map(() => provider.send('eth_chainId', [])))));
    await provider.send('no_such_method', []).catch((error) => say('error', error.error?.code ?? error.code));
    await provider.off('block');
    await provider.destroy();
  },
  async viem() {
    const { createPublicClient, webSocket } = await import('viem');
    const client = createPublicClient({ transport: webSocket(url) });
    const stop = client.watchBlockNumber({ onBlockNumber: (number) => heads.push(number) });
    say('chain', await client.getChainId());
    const [from, to] = await client.request({ method: 'eth_accounts' });
    say('balance', await client.getBalance({ address: to }));
    await client.request({ method: 'eth_sendTransaction', params: [{ from, to, value: '0x1' }] });
    await wait(() => heads.length > 0);
    await client.request({ method: 'no_such_method' }).catch((error) => say('error', error.code ?? error.name));
    stop();
    say('block', (await client.getBlock({ blockNumber: 0n })).number);
    (await client.transport.getRpcClient()).close();
  },
  async web3() {
    const { Web3 } = await import('web3');
    const web3 = new Web3(url);
    const subscription = await web3.eth.subscribe('newHeads');
    subscription.on('data', (head) => heads.push(head.number));
    say('chain', await web3.eth.getChainId());
    const [from, to] = await web3.eth.getAccounts();
    say('balance', await web3.eth.getBalance(to));
    await web3.eth.sendTransaction({ from, to, value: '0x1' });
    await wait(() => heads.length > 0);
    await subscription.unsubscribe();
    const batch = new web3.BatchRequest();
    const first = batch.add({ method: 'eth_chainId', params: [] });
    const second = batch.add({ method: 'net_listening', params: [] });
    await batch.execute();
    say('batch', [(await first) !== undefined, (await second) !== undefined]);
    web3.provider.disconnect();
  },
};

await sessions[library]();
say('heads', heads.length > 0);
process.exit(0);
