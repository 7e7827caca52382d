// Devices and modules over MQTT, on its port and inside WebSockets, with azure-iot-device.

'use strict';

const assert = require('assert');
const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { NoRetry } = require('azure-iot-common');
const { events, until, restartHub, packetsLost, registry, newDevice, removeMade } = require('./support');
const { open, stringOf, connected, invoke, patchTwin, failure, closeAll, behave } = require('./sessions');

// shows: azure-iot-device | MQTT | messages, methods, twin
behave('MQTT', Mqtt, { carriesUserId: true });
// shows: azure-iot-device | MQTT in WebSockets | messages, methods, twin
behave('MQTT over WebSockets', MqttWs, { carriesUserId: true });

describe('a connection over MQTT', () => {
  afterEach(async () => {
    await closeAll();
    await removeMade();
  });

  it('is refused with the wrong key, for a disabled device and for one that is not there', async () => {
    const device = await newDevice();
    const other = await newDevice();
    const wrong = { ...device, authentication: other.authentication };
    assert.strictEqual((await failure(connected(wrong, Mqtt))).name, 'UnauthorizedError');
    await registry.delete(other.deviceId);
    assert.strictEqual((await failure(connected(other, Mqtt))).name, 'UnauthorizedError');
    await registry.update({ ...device, status: 'disabled' });
    const client = Client.fromConnectionString(stringOf(device), Mqtt);
    client.on('error', () => {});
    client.setRetryPolicy(new NoRetry());
    assert.strictEqual((await failure(client.open())).name, 'ServiceUnavailableError');
  });

  it('ends when its device is disabled, and when it is deleted', async () => {
    for (const end of [(device) => registry.update({ ...device, status: 'disabled' }), (device) => registry.delete(device.deviceId)]) {
      const device = await newDevice();
      const client = await connected(device, Mqtt);
        client.setRetryPolicy(new NoRetry());
      const gone = new Promise((resolve) => client.on('disconnect', resolve));
      await end(device);
      await gone;
    }
  });

  it('is made anew after lost packets, and no message is lost', async () => {
    const device = await newDevice();
    const client = Client.fromConnectionString(stringOf(device), Mqtt);
    client.on('error', () => {});
    await client.setOptions({ keepalive: 2 });
    await client.open();
    open.push(client);
    await client.sendEvent(new Message('before'));
    const state = async () => (await registry.getTwin(device.deviceId)).responseBody.connectionState;
    const sends = [];
    await packetsLost(async () => {
      for (let at = 0; at < 5; at += 1) sends.push(client.sendEvent(new Message('meanwhile ' + at)));
      await until('the hub gives up', async () => (await state()) === 'Disconnected');
    });
    await Promise.all(sends);
    await client.sendEvent(new Message('after'));
    assert.strictEqual(await state(), 'Connected');
    const bodies = (await events(device.deviceId, 7, 'Telemetry')).map((event) => event.body);
    assert.deepStrictEqual([bodies[0], bodies[6]], ['before', 'after']);
    assert.deepStrictEqual(bodies.slice(1, 6).sort(), [0, 1, 2, 3, 4].map((at) => 'meanwhile ' + at));
  });

  it('outlives a restart of the hub with its subscriptions', async () => {
    const device = await newDevice();
    const client = await connected(device, Mqtt);
    client.onDeviceMethod('echo', (request, response) => response.send(200, request.payload, () => {}));
    const twin = await client.getTwin();
    const seen = [];
    twin.on('properties.desired', (delta) => seen.push(delta));
    await until('it listens', () => seen.length > 0);
    await client.sendEvent(new Message('before'));
    restartHub();
    await client.sendEvent(new Message('after'));
    await until('methods are answered again', async () => {
      const call = { methodName: 'echo', payload: 'still there?', responseTimeoutInSeconds: 5 };
      return invoke(device, call).then(() => true, () => false);
    });
    await patchTwin(device, { again: 1 });
    await until('changes are told again', () => seen.some((delta) => delta.again === 1));
    const seenBodies = (await events(device.deviceId, 2, 'Telemetry')).map((event) => event.body);
    assert.deepStrictEqual(seenBodies, ['before', 'after']);
  });
});
