// What every test needs: a registry for each policy, ids of its own, and errors told apart.
//
// All tests of a run share one hub, so none may count devices without naming its own.

'use strict';

const assert = require('assert');
const https = require('https');
const { execFileSync } = require('child_process');
const { randomUUID } = require('crypto');
const { SharedAccessSignature, ConnectionString } = require('azure-iot-common');
const { Registry } = require('azure-iothub');

function connectionString(policy) {
  const name = 'SKERRY_TEST_CS_' + policy.toUpperCase();
  const text = process.env[name];
  if (!text) throw new Error(`${name} is not set: these tests need a hub, run them with \`cargo xtask test\``);
  return text;
}

function registryFor(policy) {
  return Registry.fromConnectionString(connectionString(policy));
}

const registry = registryFor('iothubowner');

const made = [];

// An id that no other test has; its device goes away after the test.
function newId(suffix = '') {
  const id = 'node-' + randomUUID().slice(0, 13) + suffix;
  made.push(id);
  return id;
}

async function newDevice(more = {}) {
  const { responseBody } = await registry.create({ deviceId: newId(), ...more });
  return responseBody;
}

async function removeMade() {
  for (const id of made.splice(0)) {
    try {
      await registry.delete(id);
    } catch (error) {
      assert.strictEqual(error.name, 'DeviceNotFoundError', String(error));
    }
  }
}

// The call must fail with this class of the SDK, and the hub must have said this code.
async function refused(name, code, call) {
  const error = await call.then(
    () => assert.fail(`${name} expected, but it went well`),
    (error) => error,
  );
  assert.strictEqual(error.name, name, `${error.name}: ${error.message} ${error.responseBody}`);
  const body = JSON.parse(error.responseBody);
  assert.ok(body.Message.startsWith(`ErrorCode:${code};`), body.Message);
  assert.strictEqual(error.response.headers['iothub-errorcode'], code);
  assert.ok(error.message.length > 5, 'the text reaches the user: ' + error.message);
  assert.strictEqual(error.message, body.Message.slice(body.Message.indexOf(';') + 1));
  return error;
}

const host = ConnectionString.parse(connectionString('service')).HostName;

// A request with the token of a policy; the answer with its whole body.
function call(policy, method, path, body) {
  const login = ConnectionString.parse(connectionString(policy));
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const token = SharedAccessSignature.create(host, login.SharedAccessKeyName, login.SharedAccessKey, expiry).toString();
  return new Promise((resolve, reject) => {
    const headers = { authorization: token, 'content-type': 'application/json' };
    const request = https.request({ host, path, method, headers }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}

// The first `count` events of a device; those of one source, if it is named.
function events(deviceId, count, source) {
  const login = ConnectionString.parse(connectionString('service'));
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const token = SharedAccessSignature.create(host, login.SharedAccessKeyName, login.SharedAccessKey, expiry).toString();
  return new Promise((resolve, reject) => {
    const path = `/skerry/v1/events?from=oldest&device=${encodeURIComponent(deviceId)}`;
    const request = https.get({ host, path, headers: { authorization: token } }, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
        const lines = text.split('\n').slice(0, -1).filter((line) => line);
        const found = lines.map((line) => JSON.parse(line)).filter((event) => !source || event.source === source);
        if (found.length >= count) {
          request.destroy();
          resolve(found.slice(0, count));
        }
      });
    });
    request.on('error', reject);
  });
}

// Done when the condition holds; fails instead of waiting for ever.
async function until(what, condition) {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail('in vain: ' + what);
}

function tellHub(what) {
  execFileSync('sh', [process.env.SKERRY_TEST_HUB, what], { stdio: 'inherit' });
}

function restartHub() {
  tellHub('restart');
}

// No packet of MQTT arrives while `meanwhile` runs, in either direction.
async function packetsLost(meanwhile) {
  tellHub('cut');
  try {
    await meanwhile();
  } finally {
    tellHub('mend');
  }
}

// A twin section without what the hub adds.
function plain(section) {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !key.startsWith('$')));
}

module.exports = { call, host, events, until, restartHub, packetsLost, connectionString, registryFor, registry, newId, newDevice, removeMade, refused, plain };
