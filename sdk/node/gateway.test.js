// Modules and devices behind `skerry edge` with azure-iot-device, on every transport that it has.

'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { Client, ModuleClient, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { NoRetry } = require('azure-iot-common');
const { Client: ServiceClient } = require('azure-iothub');
const { Message: Command } = require('azure-iot-common');
const { connectionString, events, host, newDevice, newId, registry, removeMade, until, plain } = require('./support');
const { failure, invoke, patchTwin } = require('./sessions');
const { Edge, NAME, UPSTREAM } = require('./edge');
const { authority, folder, selfSigned, signed, thumbprint } = require('./openssl');

const routes = {
  up: 'FROM /messages/* WHERE NOT IS_DEFINED(only) INTO $upstream',
  across: 'FROM /messages/modules/* WHERE only = "here" INTO BrokeredEndpoint("/modules/receiver/inputs/in")',
};
const roots = authority('roots of leaves');
const edge = new Edge('node-gateway', routes);

before(async function () {
  this.timeout(60000);
  await edge.begin(`trust_bundle_cert = "file://${roots.cert}"\n`);
});

after(() => edge.end());

const open = [];

async function connected(identity, transport, proof) {
  const kind = identity.moduleId ? ModuleClient : Client;
  const module = identity.moduleId ? `;ModuleId=${identity.moduleId}` : '';
  // With a certificate the SDK knows no gateway, and the edge's name stands for the hub's.
  const string = proof
    ? `HostName=${NAME};DeviceId=${identity.deviceId}${module};x509=true`
    : `HostName=${host};DeviceId=${identity.deviceId}${module};SharedAccessKey=${identity.authentication.symmetricKey.primaryKey};GatewayHostName=${NAME}`;
  const client = kind.fromConnectionString(string, transport);
  client.on('error', () => {});
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: edge.trust, ...proof });
  await client.open();
  open.push(client);
  return client;
}

function leaf(more = {}) {
  return newDevice({ deviceScope: edge.scope, ...more });
}

async function module(moduleId) {
  const found = await registry.getModule(edge.id, moduleId).catch(() => undefined);
  return (found ?? (await registry.addModule({ deviceId: edge.id, moduleId }))).responseBody;
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close().catch(() => {});
  await removeMade();
});

for (const [name, transport] of [['MQTT', Mqtt], ['MQTT over WebSockets', MqttWs], ['AMQP', Amqp], ['AMQP over WebSockets', AmqpWs]]) {
  describe(`behind an edge over ${name}`, () => {
    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | messages through an edge
    it('a device sends in order, with every property', async () => {
      const device = await leaf();
      const client = await connected(device, transport);
      const sends = [];
      for (let at = 0; at < 50; at += 1) {
        const message = new Message(JSON.stringify({ at }));
        message.contentType = 'application/json';
        message.contentEncoding = 'utf-8';
        message.messageId = `m-${at}`;
        message.properties.add('site & shift', 'oslo=night/ü+1');
        sends.push(client.sendEvent(message));
      }
      await Promise.all(sends);
      const seen = await events(device.deviceId, 50, 'Telemetry');
      assert.deepStrictEqual(seen.map((event) => event.body.at), [...Array(50).keys()]);
      assert.strictEqual(seen[7].systemProperties.messageId, 'm-7');
      assert.deepStrictEqual(seen[7].properties, { 'site & shift': 'oslo=night/ü+1' });
    });

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | messages from module to module
    it('a module hears of what is routed to it, and settles it', async () => {
      const receiver = await connected(await module('receiver'), transport);
      const sender = await connected(await module('sender'), transport);
      const heard = [];
      receiver.on('inputMessage', (input, message) => {
        heard.push([input, message.data.toString(), message.properties.getValue('only')]);
        receiver.complete(message, () => {});
      });
      await until('the input is listened to', async () => {
        const probe = new Message('probe');
        probe.properties.add('only', 'here');
        await sender.sendOutputEvent('out', probe);
        return heard.length > 0;
      });
      heard.length = 0;
      for (let at = 0; at < 30; at += 1) {
        const message = new Message(String(at));
        message.properties.add('only', 'here');
        await sender.sendOutputEvent('out', message);
      }
      await until('all come', () => heard.filter(([, text]) => text !== 'probe').length === 30);
      const numbers = heard.filter(([, text]) => text !== 'probe');
      assert.deepStrictEqual(numbers, [...Array(30).keys()].map((at) => ['in', String(at), 'here']));
    });

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | methods through an edge
    it('methods are answered, those of the hub and those of a module', async () => {
      const target = await module('target');
      const client = await connected(target, transport);
      const caller = await connected(await module('caller'), transport);
      client.onMethod('echo', (request, response) => response.send(207, request.payload, () => {}));
      const callIt = { methodName: 'echo', payload: { a: [1, null] }, responseTimeoutInSeconds: 5 };
      await until('the client listens', () => invoke(target, callIt).then(() => true, () => false));
      const { result } = await invoke(target, callIt);
      assert.deepStrictEqual([result.status, result.payload], [207, { a: [1, null] }]);
      const told = await caller.invokeMethod(edge.id, 'target', callIt);
      assert.deepStrictEqual([told.status, told.payload], [207, { a: [1, null] }]);
    });

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | twin through an edge
    it('twins are told and reported', async () => {
      const device = await leaf();
      const client = await connected(device, transport);
      const twin = await client.getTwin();
      const seen = [];
      twin.on('properties.desired', (delta) => seen.push(delta));
      await until('the first state is there', () => seen.length === 1);
      await patchTwin(device, { speed: 7 });
      await until('the change is told', () => seen.length === 2);
      assert.deepStrictEqual(seen[1], { speed: 7, $version: 2 });
      await new Promise((resolve, reject) => {
        twin.properties.reported.update({ firmware: '1.2' }, (error) => (error ? reject(error) : resolve()));
      });
      const reported = async () => plain((await registry.getTwin(device.deviceId)).responseBody.properties.reported);
      await until('the hub hears of it', async () => (await reported()).firmware === '1.2');
    });

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | commands through an edge
    it('commands reach a device', async () => {
      const device = await leaf();
      const client = await connected(device, transport);
      const heard = [];
      client.on('message', (message) => {
        heard.push(message.data.toString());
        client.complete(message, () => {});
      });
      const service = ServiceClient.fromConnectionString(connectionString('service'));
      await service.open();
      await service.send(device.deviceId, 'do it');
      await until('the command comes', () => heard.length === 1);
      await service.close();
      assert.deepStrictEqual(heard, ['do it']);
    });

    // MQTT has one word for all of it, on either way.
    if (UPSTREAM.startsWith('Amqp') && name.startsWith('AMQP')) {
      it('what a device says of a command is what its sender hears', async () => {
        const device = await leaf();
        const client = await connected(device, transport);
        let abandoned = 0;
        client.on('message', (message) => {
          const how = message.data.toString();
          abandoned += how === 'abandon';
          client[how](message, () => {});
        });
        const service = ServiceClient.fromConnectionString(connectionString('service'));
        await service.open();
        const heard = {};
        const { result: receiver } = await service.getFeedbackReceiver();
        receiver.on('errorReceived', () => {});
        receiver.on('message', (batch) => {
          for (const record of JSON.parse(batch.data.toString())) heard[record.originalMessageId] = record.statusCode;
          receiver.complete(batch).catch(() => {});
        });
        const id = (how) => `${device.deviceId}-${how}`;
        for (const how of ['complete', 'reject', 'abandon']) {
          const command = new Command(how);
          command.messageId = id(how);
          command.ack = 'full';
          await service.send(device.deviceId, command);
        }
        await until('the one is given up', () => abandoned === 10);
        // Feedback is gathered for a while.
        for (let tries = 0; tries < 80 && Object.keys(heard).length < 3; tries += 1) {
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
        await service.close();
        assert.strictEqual(heard[id('complete')], 'Success');
        assert.strictEqual(heard[id('reject')], 'Rejected');
        assert.strictEqual(heard[id('abandon')], 'DeliveryCountExceeded');
      }).timeout(60000);
    }

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets | certificate through an edge
    it('a device is let in by its certificate, known by its print or by who signed it', async () => {
      const own = newId('-print');
      const certificate = selfSigned(own);
      const prints = { primaryThumbprint: thumbprint(certificate, 'sha256'), secondaryThumbprint: thumbprint(certificate, 'sha1') };
      const printed = await registry.create({
        deviceId: own, deviceScope: edge.scope, authentication: { type: 'selfSigned', x509Thumbprint: prints },
      });
      const named = newId('-ca');
      const below = await registry.create({
        deviceId: named, deviceScope: edge.scope, authentication: { type: 'certificateAuthority' },
      });
      for (const [device, proof] of [[printed, certificate], [below, signed(roots, named)]]) {
        const client = await connected(device.responseBody, transport, { key: proof.key, cert: proof.cert });
        await client.sendEvent(new Message('by certificate'));
        const [event] = await events(device.responseBody.deviceId, 1, 'Telemetry');
        assert.strictEqual(event.body, 'by certificate');
      }
      const stranger = selfSigned(own);
      const attempt = connected(printed.responseBody, transport, { key: stranger.key, cert: stranger.cert });
      await failure(attempt.then((client) => client.sendEvent(new Message('in'))));
    });

    it('who is not behind it, or has another key, is not let in', async () => {
      const device = await leaf();
      const other = await newDevice();
      const wrong = { ...device, authentication: other.authentication };
      for (const identity of [wrong, other]) {
        const error = await failure(connected(identity, transport).then((client) => client.sendEvent(new Message('in'))));
        assert.ok(['UnauthorizedError', 'DeviceNotFoundError'].includes(error.name), String(error));
      }
    });
  });
}

describe('a module that finds its edge in the environment', () => {
  it('connects by a connection string as it is debugged', async () => {
    const identity = await module('debugged');
    const file = path.join(folder, 'edge-ca.pem');
    fs.writeFileSync(file, edge.trust);
    const key = identity.authentication.symmetricKey.primaryKey;
    process.env.EdgeHubConnectionString = `HostName=${host};GatewayHostName=${NAME};DeviceId=${edge.id};ModuleId=debugged;SharedAccessKey=${key}`;
    process.env.EdgeModuleCACertificateFile = file;
    const client = await ModuleClient.fromEnvironment(Mqtt);
    client.on('error', () => {});
    await client.open();
    open.push(client);
    await client.sendOutputEvent('out', new Message('from the environment'));
    await until('it arrives', async () => {
      const found = await events(edge.id, 1, 'Telemetry');
      return found.length > 0;
    });
  });
});
