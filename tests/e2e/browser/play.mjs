// SPDX-License-Identifier: Apache-2.0
// play.mjs FOLDER PLAYER URL [SCREENSHOT]: opens page.html in a headless Chromium and plays URL (with
// mpegts, hls, parts or ll) until the pictures have moved for a while; prints the report of the page. FOLDER
// holds node_modules.

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [folder, player, url, screenshot] = process.argv.slice(2);
const { chromium } = createRequire(join(folder, 'package.json'))('playwright-core');
// Where a clock is looked at (ll), the player catches up first.
const ENOUGH = player === 'll' ? { decoded: 60, pictures: 30, aged: 250 } : { decoded: 60, pictures: 30, time: 2 };

const files = {
	'/page.html': ['text/html', new URL('page.html', import.meta.url)],
	'/hls.js': ['text/javascript', join(folder, 'node_modules/hls.js/dist/hls.js')],
	'/mpegts.js': ['text/javascript', join(folder, 'node_modules/mpegts.js/dist/mpegts.js')],
};
const server = createServer((request, response) => {
	const [type, file] = files[new URL(request.url, 'http://localhost').pathname] ?? [];
	response.writeHead(file ? 200 : 404, { 'Content-Type': type ?? 'text/plain' });
	file ? createReadStream(file).pipe(response) : response.end();
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const profile = await mkdtemp(join(tmpdir(), 'millrace-browser.'));
const browser = await chromium.launchPersistentContext(profile, {
	executablePath: '/usr/bin/chromium',
	args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
		'--disable-background-networking', '--disable-component-update', '--disable-sync',
		'--autoplay-policy=no-user-gesture-required'],
	viewport: { width: 700, height: 460 },
});
let failed = false;
try {
	const page = await browser.newPage();
	page.on('console', (message) => console.error(`console: ${message.text()}`));
	page.on('pageerror', (error) => console.error(`page: ${error}`));
	await page.goto(`http://127.0.0.1:${server.address().port}/page.html?player=${player}&url=${encodeURIComponent(url)}`);
	await page.waitForFunction((enough) => {
		const now = report();
		return now.error || Object.keys(enough).every((name) => now[name] >= enough[name]);
	}, ENOUGH, { polling: 100, timeout: 30000 }).catch((error) => { failed = true; console.error(String(error)); });
	const now = await page.evaluate(() => report());
	console.log(JSON.stringify(now));
	failed ||= now.error !== null;
	if (screenshot)
		await page.screenshot({ path: screenshot });
} finally {
	await browser.close();
	server.close();
	server.closeAllConnections();
	await rm(profile, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
