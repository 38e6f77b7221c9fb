// Node.js: a socket piped into itself. Without the listener a reset connection would end the process.
'use strict';

const net = require('node:net');

const server = net.createServer((client) => {
	client.on('error', () => client.destroy());
	client.pipe(client);
});

server.listen(Number(process.argv[2]), '127.0.0.1');
