// A browser for the tests: takes one order a line, as JSON, and answers each with one line.
import readline from "node:readline";
import { chromium } from "playwright-core";

// A browser in a container has no sandbox of its own; what it looks at is ours.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
let context, page, cdp, seen;

const orders = {
	async open({ url, width = 1280, height = 900, scheme = "light", first = "" }) { // first: runs before the page's own
		await context?.close();
		context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
		if (first) await context.addInitScript(first);
		page = await context.newPage();
		cdp = await context.newCDPSession(page);
		seen = { errors: [], dialogs: [], asked: [] };
		page.on("pageerror", error => seen.errors.push(error.message));
		page.on("console", said => { if (said.type() === "error") seen.errors.push(said.text()); });
		page.on("dialog", dialog => { seen.dialogs.push(dialog.message()); dialog.dismiss(); });
		page.on("request", request => seen.asked.push(request.url()));
		await page.goto(url);
	},
	eval: ({ script }) => page.evaluate(script),
	async wait({ script, ms }) { // waitForFunction() would need eval() in the page, which that forbids
		for (const end = Date.now() + ms; !await page.evaluate(script);)
			if (Date.now() > end) throw new Error("it did not come");
			else await new Promise(done => setTimeout(done, 50));
	},
	click: ({ selector }) => page.locator(selector).first().click(),
	fill: ({ selector, text }) => page.locator(selector).fill(text),
	choose: ({ selector, text }) => page.locator(selector).selectOption(text),
	press: ({ key }) => page.keyboard.press(key),
	seen: () => seen,
	shot: ({ path }) => page.screenshot({ path }).then(() => true),
	async weight() {
		await cdp.send("HeapProfiler.collectGarbage");
		await cdp.send("Performance.enable");
		const { metrics } = await cdp.send("Performance.getMetrics");
		return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
	},
};

for await (const line of readline.createInterface({ input: process.stdin })) {
	const order = JSON.parse(line);
	try {
		console.log(JSON.stringify({ value: await orders[order.do](order) ?? null }));
	} catch (error) {
		console.log(JSON.stringify({ error: error.message }));
	}
}
await browser.close();
