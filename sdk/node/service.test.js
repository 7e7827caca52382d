// Commands, what becomes of them, and notices of files, with azure-iothub over AMQP and its WebSockets.

'use strict';

const assert = require('assert');
const { Readable } = require('stream');
const { Client: DeviceClient } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Message } = require('azure-iot-common');
const { Client } = require('azure-iothub');
const { Amqp: ServiceAmqp } = require('azure-iothub/dist/amqp');
const { AmqpWs: ServiceAmqpWs } = require('azure-iothub/dist/amqp_ws');
const { connectionString, newDevice, newId, removeMade, until } = require('./support');
const { stringOf, failure } = require('./sessions');

function message(body, id, ack) {
  const made = new Message(body);
  made.messageId = id;
  made.ack = ack;
  return made;
}

for (const [name, transport] of [['AMQP', ServiceAmqp], ['AMQP over WebSockets', ServiceAmqpWs]]) {
  describe(`a back end over ${name}`, () => {
    let service;

    beforeEach(async () => {
      service = Client.fromConnectionString(connectionString('service'), transport);
      await service.open();
    });

    afterEach(async () => {
      await service.close();
      await removeMade();
    });

    for (const [wire, device] of [['AMQP', Amqp], ['AMQP over WebSockets', AmqpWs], ['MQTT', Mqtt]]) {
      // shows: azure-iothub | AMQP, AMQP in WebSockets | commands
      // shows: azure-iot-device | MQTT, AMQP, AMQP in WebSockets | commands
      it(`sends to a device over ${wire} with every property`, async () => {
        // The topics of MQTT leave no room for such ids.
        const identity = await newDevice({ deviceId: newId(wire === 'MQTT' ? '' : '#+%') });
        const client = DeviceClient.fromConnectionString(stringOf(identity), device);
        client.on('error', () => {});
        const received = new Promise((resolve) => client.on('message', resolve));
        await client.open();
        const sent = message('open the window', 'm-1', 'none');
        sent.correlationId = 'c-1';
        sent.contentType = 'text/plain';
        sent.contentEncoding = 'utf-8';
        sent.properties.add('site & shift', 'oslo=night');
        await service.send(identity.deviceId, sent);
        const got = await received;
        await client.complete(got);
        await client.close();
        assert.strictEqual(got.getData().toString(), 'open the window');
        assert.strictEqual(got.messageId, 'm-1');
        assert.strictEqual(got.correlationId, 'c-1');
        assert.strictEqual(got.contentType, 'text/plain');
        assert.strictEqual(got.contentEncoding, 'utf-8');
        assert.strictEqual(got.properties.getValue('site & shift'), 'oslo=night');
      });
    }

    // shows: azure-iothub | AMQP, AMQP in WebSockets | feedback
    it('hears what became of commands: completed, rejected, failed too often, expired', async () => {
      const identity = await newDevice();
      const id = (word) => `${identity.deviceId}-${word}`;
      const client = DeviceClient.fromConnectionString(stringOf(identity), Amqp);
      client.on('error', () => {});
      let abandoned = 0;
      client.on('message', (one) => {
        const body = one.getData().toString();
        if (body === 'complete') client.complete(one).catch(() => {});
        else if (body === 'reject') client.reject(one).catch(() => {});
        else {
          abandoned += 1;
          client.abandon(one).catch(() => {});
        }
      });
      await client.open();
      const heard = {};
      const { result: receiver } = await service.getFeedbackReceiver();
      receiver.on('errorReceived', () => {});
      receiver.on('message', (batch) => {
        for (const record of JSON.parse(batch.data.toString())) heard[record.originalMessageId] = record.statusCode;
        receiver.complete(batch).catch(() => {});
      });
      await service.send(identity.deviceId, message('complete', id('complete'), 'full'));
      await service.send(identity.deviceId, message('reject', id('reject'), 'negative'));
      await service.send(identity.deviceId, message('abandon', id('abandon'), 'full'));
      await service.send(identity.deviceId, message('complete', id('silent'), 'negative'));
      await until('the one is given up', () => abandoned >= 10);
      await client.close();
      const late = message('late', id('late'), 'full');
      late.expiryTimeUtc = Date.now() + 1500;
      await service.send(identity.deviceId, late);
      for (let tries = 0; tries < 80 && Object.keys(heard).length < 4; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.deepStrictEqual(heard, {
        [id('complete')]: 'Success',
        [id('reject')]: 'Rejected',
        [id('abandon')]: 'DeliveryCountExceeded',
        [id('late')]: 'Expired',
      });
    }).timeout(60000);

    it('is told why a command cannot be taken', async () => {
      const nobody = await failure(service.send('nobody-' + Date.now(), 'to whom'));
      assert.strictEqual(nobody.name, 'DeviceNotFoundError', String(nobody));
      const identity = await newDevice();
      const large = await failure(service.send(identity.deviceId, new Message(Buffer.alloc(70 * 1024, 'x'))));
      assert.strictEqual(large.name, 'MessageTooLargeError', String(large));
      for (let at = 0; at < 50; at += 1) await service.send(identity.deviceId, new Message(String(at)));
      const full = await failure(service.send(identity.deviceId, new Message('one too many')));
      assert.strictEqual(full.name, 'DeviceMaximumQueueDepthExceededError', String(full));
    });

    it('is not let in with a policy that may not', async () => {
      const other = Client.fromConnectionString(connectionString('registryRead'), transport);
      other.on('error', () => {});
      const identity = await newDevice();
      const error = await failure(other.open().then(() => other.send(identity.deviceId, 'no')));
      assert.strictEqual(error.name, 'UnauthorizedError', String(error));
      await other.close().catch(() => {});
    });

    // shows: azure-iothub | AMQP, AMQP in WebSockets | notices about files
    it('hears of files that devices have uploaded', async () => {
      const identity = await newDevice();
      const { result: receiver } = await service.getFileNotificationReceiver();
      receiver.on('errorReceived', () => {});
      const heard = new Promise((resolve) => {
        receiver.on('message', (notice) => {
          receiver.complete(notice).catch(() => {});
          const told = JSON.parse(notice.data.toString());
          if (told.deviceId === identity.deviceId) resolve(told);
        });
      });
      const client = DeviceClient.fromConnectionString(stringOf(identity), Mqtt);
      client.on('error', () => {});
      await client.open();
      await client.uploadToBlob('pictures/one.txt', Readable.from([Buffer.from('what the camera saw')]), 19);
      await client.close();
      const told = await heard;
      assert.ok(told.blobName.endsWith('pictures/one.txt'), told.blobName);
      assert.strictEqual(told.blobSizeInBytes, 19);
    });
  });
}
