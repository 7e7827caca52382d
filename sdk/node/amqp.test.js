// Devices and modules over AMQP, on its port and inside WebSockets, with azure-iot-device.

'use strict';

const assert = require('assert');
const { Client, Message } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { NoRetry, SharedAccessSignature } = require('azure-iot-common');
const { host, events, until, restartHub, registry, newDevice, removeMade } = require('./support');
const { stringOf, connected, invoke, patchTwin, failure, closeAll, behave } = require('./sessions');

// shows: azure-iot-device | AMQP | messages, methods, twin
behave('AMQP', Amqp, { carriesUserId: false });
// shows: azure-iot-device | AMQP in WebSockets | messages, methods, twin
behave('AMQP over WebSockets', AmqpWs, { carriesUserId: false });

for (const [name, transport] of [['AMQP', Amqp], ['AMQP over WebSockets', AmqpWs]]) {
  describe(`a connection over ${name}`, () => {
    afterEach(async () => {
      await closeAll();
      await removeMade();
    });

    it('carries messages of 256 KB less their properties, and says of larger ones that they are too large', async () => {
      const device = await newDevice();
      const client = await connected(device, transport);
      await client.sendEvent(new Message(Buffer.alloc(255 * 1024, 'x')));
      const error = await failure(client.sendEvent(new Message(Buffer.alloc(257 * 1024, 'y'))));
      assert.strictEqual(error.name, 'MessageTooLargeError', String(error));
      await client.sendEvent(new Message('after'));
      const bodies = (await events(device.deviceId, 2, 'Telemetry')).map((event) => event.body);
      assert.deepStrictEqual(bodies.map((body) => body.length), [255 * 1024, 5]);
    });

    it('is refused with the wrong key, for a disabled device and for one that is not there', async () => {
      const device = await newDevice();
      const other = await newDevice();
      const wrong = { ...device, authentication: other.authentication };
      const refusal = async (identity) => {
        const client = Client.fromConnectionString(stringOf(identity), transport);
        client.on('error', () => {});
        client.setRetryPolicy(new NoRetry());
        return failure(client.open().then(() => client.sendEvent(new Message('in'))));
      };
      assert.strictEqual((await refusal(wrong)).name, 'UnauthorizedError');
      await registry.update({ ...device, status: 'disabled' });
      assert.strictEqual((await refusal(device)).name, 'UnauthorizedError');
      await registry.delete(other.deviceId);
      assert.ok(['UnauthorizedError', 'DeviceNotFoundError'].includes((await refusal(other)).name));
    });

    it('goes on with a new token, and ends without one', async () => {
      const device = await newDevice();
      const key = device.authentication.symmetricKey.primaryKey;
      const token = (seconds) =>
        SharedAccessSignature.create(`${host}/devices/${device.deviceId}`, null, key, Math.floor(Date.now() / 1000) + seconds).toString();
      const client = Client.fromSharedAccessSignature(token(60), transport);
      client.on('error', () => {});
      await client.open();
      await client.sendEvent(new Message('by the first'));
      await client.updateSharedAccessSignature(token(600));
      await client.sendEvent(new Message('by the second'));
      await client.close();
      const seen = await events(device.deviceId, 2, 'Telemetry');
      assert.deepStrictEqual(seen.map((event) => event.body), ['by the first', 'by the second']);
    });

    it('ends when its device is disabled, and when it is deleted', async () => {
      for (const end of [(device) => registry.update({ ...device, status: 'disabled' }), (device) => registry.delete(device.deviceId)]) {
        const device = await newDevice();
        const client = await connected(device, transport);
        client.setRetryPolicy(new NoRetry());
        await client.sendEvent(new Message('here'));
        const gone = new Promise((resolve) => client.on('disconnect', resolve));
        await end(device);
        await gone;
      }
    });

    it('outlives a restart of the hub with what it listens to', async () => {
      const device = await newDevice();
      const client = await connected(device, transport);
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
      const bodies = (await events(device.deviceId, 2, 'Telemetry')).map((event) => event.body);
      assert.deepStrictEqual(bodies, ['before', 'after']);
    });
  });
}
