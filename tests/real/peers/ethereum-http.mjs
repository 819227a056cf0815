// A session of one of three Ethereum libraries over HTTP: ethereum-http.mjs ethers|viem|web3 URL
// Prints what came, as JSON, one line a step; what differs from node to node is left out.
import process from 'node:process';

const [library, url] = process.argv.slice(2);
const say = (step, what) => console.log(JSON.stringify({ step, what }, (_, v) => (typeof v === 'bigint' ? `${v}` : v)));
const failed = (error) => say('error', error.error?.code ?? error.cause?.code ?? error.code ?? error.name);

const sessions = {
  async ethers() {
    const { JsonRpcProvider } = await import('ethers');
    const provider = new JsonRpcProvider(url);
    say('chain', (await provider.getNetwork()).chainId);
    const [from, to] = await provider.send('eth_accounts', []);
    say('sent', (await provider.send('eth_sendTransaction', [{ from, to, value: '0x1' }])).length);
    say('batch', await Promise.all([1, 2, 3].map(() => provider.send('eth_chainId', []))));
    await provider.send('no_such_method', []).catch(failed);
    say('block', (await provider.getBlock(0)).number);
    provider.destroy();
  },
  async viem() {
    const { createPublicClient, http } = await import('viem');
    const client = createPublicClient({ transport: http(url, { batch: true }) });
    say('chain', await client.getChainId());
    const [from, to] = await client.request({ method: 'eth_accounts' });
    say('sent', (await client.request({ method: 'eth_sendTransaction', params: [{ from, to, value: '0x1' }] })).length);
    say('batch', await Promise.all([1, 2, 3].map(() => client.request({ method: 'eth_chainId' }))));
    await client.request({ method: 'no_such_method' }).catch(failed);
    say('block', (await client.getBlock({ blockNumber: 0n })).number);
  },
  async web3() {
    const { Web3 } = await import('web3');
    const web3 = new Web3(url);
    say('chain', await web3.eth.getChainId());
    const [from, to] = await web3.eth.getAccounts();
    say('sent', (await web3.eth.sendTransaction({ from, to, value: '0x1' })).status);
    const batch = new web3.BatchRequest();
    const several = [1, 2, 3].map(() => batch.add({ method: 'eth_chainId', params: [] }));
    await batch.execute();
    say('batch', await Promise.all(several));
    await web3.requestManager.send({ method: 'no_such_method', params: [] }).catch(failed);
    say('block', (await web3.eth.getBlock(0)).number);
  },
};

await sessions[library]();
process.exit(0);
