// What devices and modules can count on with azure-iot-device, whatever the protocol.

'use strict';

const assert = require('assert');
const { Client, ModuleClient, Message } = require('azure-iot-device');
const { Client: ServiceClient } = require('azure-iothub');
const support = require('./support');
const { host, events, until, connectionString, registry, newDevice, removeMade, plain } = support;

const service = ServiceClient.fromConnectionString(connectionString('service'));

function stringOf(identity) {
  const module = identity.moduleId ? `;ModuleId=${identity.moduleId}` : '';
  const key = identity.authentication.symmetricKey.primaryKey;
  return `HostName=${host};DeviceId=${identity.deviceId}${module};SharedAccessKey=${key}`;
}

const open = [];

async function connected(identity, transport) {
  const kind = identity.moduleId ? ModuleClient : Client;
  const client = kind.fromConnectionString(stringOf(identity), transport);
  // The SDK throws what nobody listens to.
  client.on('error', () => {});
  await client.open();
  open.push(client);
  return client;
}

async function newModule(device) {
  const { responseBody } = await registry.addModule({ deviceId: device.deviceId, moduleId: 'thermostat' });
  return responseBody;
}

// A call of a method, as an operator makes it.
function invoke(identity, call) {
  return identity.moduleId
    ? service.invokeDeviceMethod(identity.deviceId, identity.moduleId, call)
    : service.invokeDeviceMethod(identity.deviceId, call);
}

function twinOf(identity) {
  return identity.moduleId
    ? registry.getModuleTwin(identity.deviceId, identity.moduleId)
    : registry.getTwin(identity.deviceId);
}

async function patchTwin(identity, patch) {
  const desired = { properties: { desired: patch } };
  return identity.moduleId
    ? registry.updateModuleTwin(identity.deviceId, identity.moduleId, desired, '*')
    : registry.updateTwin(identity.deviceId, desired, '*');
}

async function failure(promise) {
  return promise.then(
    () => assert.fail('it went well'),
    (error) => error,
  );
}

async function closeAll() {
  for (const one of open.splice(0)) await one.close().catch(() => {});
}

// A device and a module that connect by this transport. What the SDK does not carry over it cannot arrive.
function behave(name, transport, { carriesUserId }) {
  for (const kind of ['device', 'module']) {
    describe(`a ${kind} over ${name}`, () => {
      let device;
      let identity;
      let client;

      beforeEach(async () => {
        device = await newDevice();
        identity = kind === 'module' ? await newModule(device) : device;
        client = await connected(identity, transport);
      });

      afterEach(async () => {
        await closeAll();
        await removeMade();
      });

      it('sends messages with every property', async () => {
        const message = new Message(JSON.stringify({ t: 21.5 }));
        message.messageId = 'm-1';
        message.correlationId = 'c-1';
        message.userId = 'u-1';
        message.contentType = 'application/json';
        message.contentEncoding = 'utf-8';
        message.properties.add('site & shift', 'oslo=night/ü+1');
        await client.sendEvent(message);
        const [event] = await events(device.deviceId, 1, 'Telemetry');
        assert.deepStrictEqual(event.body, { t: 21.5 });
        assert.deepStrictEqual(event.properties, { 'site & shift': 'oslo=night/ü+1' });
        assert.strictEqual(event.systemProperties.messageId, 'm-1');
        assert.strictEqual(event.systemProperties.correlationId, 'c-1');
        assert.strictEqual(event.systemProperties.userId, carriesUserId ? 'u-1' : undefined);
        assert.strictEqual(event.systemProperties.contentType, 'application/json');
        assert.strictEqual(event.systemProperties.contentEncoding, 'utf-8');
        assert.strictEqual(event.moduleId, identity.moduleId);
        assert.strictEqual(event.authMethod.scope, kind);
      });

      it('keeps the order of a hundred messages', async () => {
        const sends = [];
        for (let at = 0; at < 100; at += 1) sends.push(client.sendEvent(new Message(String(at))));
        await Promise.all(sends);
        const seen = await events(device.deviceId, 100, 'Telemetry');
        assert.deepStrictEqual(seen.map((event) => Number(event.body)), [...Array(100).keys()]);
      });

      it('answers methods in every form of payload', async () => {
        const seen = [];
        const answer = (request, response) => {
          seen.push(request.payload);
          response.send(207, request.payload, () => {});
        };
        if (identity.moduleId) client.onMethod('echo', answer);
        else client.onDeviceMethod('echo', answer);
        await until('the client listens', async () => {
          const call = { methodName: 'echo', payload: 'ready?', responseTimeoutInSeconds: 5 };
          return invoke(identity, call).then(() => true, () => false);
        });
        for (const payload of [null, 7, 2.5, 'text ü', true, [], [1, [2]], {}, { a: { b: [null] } }]) {
          const { result } = await invoke(identity, { methodName: 'echo', payload, responseTimeoutInSeconds: 10 });
          assert.strictEqual(result.status, 207);
          assert.deepStrictEqual(result.payload, payload);
          assert.deepStrictEqual(seen.at(-1), payload);
        }
      });

      it('is told once of each change of desired properties', async () => {
        const twin = await client.getTwin();
        const seen = [];
        twin.on('properties.desired', (delta) => seen.push(delta));
        await until('the first state is there', () => seen.length === 1);
        seen.length = 0;
        await patchTwin(identity, { speed: 7, deep: { a: 1, b: 2 } });
        await patchTwin(identity, { deep: { a: null } });
        await until('both are told', () => seen.length >= 2);
        assert.deepStrictEqual(seen, [
          { speed: 7, deep: { a: 1, b: 2 }, $version: 2 },
          { deep: { a: null }, $version: 3 },
        ]);
        assert.deepStrictEqual(plain((await client.getTwin()).properties.desired).deep.b, 2);
      });

      it('reports, and is told what cannot be reported', async () => {
        const twin = await client.getTwin();
        const report = (patch) =>
          new Promise((resolve, reject) => {
            twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
          });
        await report({ firmware: '1.2', deep: { a: 1, b: 2 } });
        await report({ deep: { a: null } });
        const { responseBody } = await twinOf(identity);
        assert.deepStrictEqual(plain(responseBody.properties.reported), { firmware: '1.2', deep: { b: 2 } });
        const large = Object.fromEntries([...Array(7).keys()].map((at) => ['k' + at, 'x'.repeat(4000)]));
        await report({ large });
        const error = await failure(report({ more: large }));
        assert.ok(/32768|size|bytes/i.test(error.message), error.message);
        assert.ok(await failure(report({ 'a.b': 1 })));
      });

      it('shows as connected, and as gone', async () => {
        const state = async () => (await twinOf(identity)).responseBody.connectionState;
        // Over AMQP an identity is there with its first link, and this makes one.
        await client.sendEvent(new Message('here'));
        assert.strictEqual(await state(), 'Connected');
        await client.close();
        open.length = 0;
        await until('it is gone', async () => (await state()) === 'Disconnected');
        const error = await failure(invoke(identity, { methodName: 'echo', payload: null }));
        assert.strictEqual(JSON.parse(JSON.parse(error.responseBody).Message).errorCode, 404103);
        const seen = await events(device.deviceId, 2, 'deviceConnectionStateEvents');
        assert.deepStrictEqual(seen.map((event) => event.properties.opType), ['deviceConnected', 'deviceDisconnected']);
      });
    });
  }
}

module.exports = { open, stringOf, connected, invoke, patchTwin, failure, closeAll, behave };
