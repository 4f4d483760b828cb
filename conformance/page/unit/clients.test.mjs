import assert from 'node:assert/strict';
import test from 'node:test';

import { capabilities, channelLimit, clientName, library, prefetchUse, properties, security, stateOf, tlsRows } from '../../../ui/app/clients/about.js';
import { network } from '../../../ui/app/clients/cidr.js';
import { terms } from '../../../ui/app/clients/terms.js';

test('networks', () => {
  for (const [net, address, isIn] of [
    ['10.0.0.0/8', '10.255.0.1', true], ['10.0.0.0/8', '11.0.0.1', false], ['0.0.0.0/0', '1.2.3.4', true], ['192.168.1.7', '192.168.1.7', true],
    ['10.0.0.0/8', '::ffff:10.1.1.1', true], ['fd00::/8', 'fd12:3456::1', true], ['fd00::/8', 'fe80::1', false], ['::1', '0:0:0:0:0:0:0:1', true],
    ['10.0.0.0/8', 'nonsense', false], ['::/0', '1.2.3.4', false],
  ]) assert.equal(network(net)(address), isIn, `${address} in ${net}`);
  for (const text of ['', '10.0.0', '256.0.0.1', '10.0.0.0/33', '10.0.0.0/x', '1::2::3', 'fd00', ':::', '1:2:3:4:5:6:7:8::', 'g::']) assert.equal(network(text), null, text);
});

test('terms have to hold all', () => {
  const columns = { user: (row) => row.user, from: (row) => row.from, channels: (row) => row.channels };
  const row = { user: 'Jane Doe', from: '10.1.2.3', channels: 5 };
  for (const [text, holds] of [
    ['', true], ['jane', true], ['user:jane from:10.0.0.0/8', true], ['user:"jane doe"', true], ['user:joe', false], ['-user:joe', true], ['-jane', false],
    ['channels:>4', true], ['channels:>=6', false], ['channels:<6 jane', true], ['from:10.1', true], ['10.1.2', true], ['colour:red', false],
  ]) assert.equal(terms(text, columns).test(row), holds, text);
  assert.match(terms('from:10.0.0.0/99', columns).error, /no network/);
});

test('a client in words', () => {
  const connection = {
    name: '1.2.3.4:5 -> 6.7.8.9:5672', ssl: true, ssl_protocol: 'TLSv1.3', ssl_cipher: 'TLS_AES_128_GCM_SHA256', peer_cert_subject: null,
    client_properties: { product: 'Pika Python Client Library', version: '1.3', platform: 'Python 3', capabilities: { 'basic.nack': true, x_y: false }, n: 7 },
  };
  assert.equal(library(connection), 'pika 1.3 · Python 3');
  assert.equal(library({}), 'says nothing about itself');
  assert.equal(clientName(connection), '1.2.3.4:5');
  assert.equal(clientName({ ...connection, user_provided_name: 'orders-service' }), 'orders-service');
  assert.equal(security(connection), 'TLSv1.3, TLS_AES_128_GCM_SHA256');
  assert.equal(security({ ssl: false }), 'not encrypted');
  assert.deepEqual(tlsRows(connection).map(([label]) => label), ['Protocol', 'Cipher', 'Client certificate']);
  assert.deepEqual(capabilities(connection), [{ name: 'basic nack', has: true }, { name: 'x y', has: false }]);
  assert.deepEqual(properties(connection).at(-1), ['n', '7']);
  assert.deepEqual(stateOf('blocked'), { tone: 'bad', words: 'blocked' });
  assert.equal(stateOf('new-fangled').words, 'new-fangled');
});

test('prefetch', () => {
  assert.deepEqual(prefetchUse(5, 10), { part: 0.5, isFull: false, words: '5 of 10' });
  assert.equal(prefetchUse(12, 10).part, 1);
  assert.equal(prefetchUse(7, 0).part, null);
  assert.equal(channelLimit({ prefetch_count: 10, consumer_count: 3, global_prefetch_count: 0 }), 30);
  assert.equal(channelLimit({ prefetch_count: 10, consumer_count: 3, global_prefetch_count: 20 }), 20);
});
