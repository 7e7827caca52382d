// What devices and modules send over HTTPS with azure-iot-device, read from the hub's own stream.

'use strict';

const assert = require('assert');
const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { host, events, registry, newDevice, removeMade } = require('./support');

function clientOf(device) {
  const key = device.authentication.symmetricKey.primaryKey;
  return Client.fromConnectionString(`HostName=${host};DeviceId=${device.deviceId};SharedAccessKey=${key}`, Http);
}

describe('telemetry over HTTPS', () => {
  afterEach(removeMade);

  // shows: azure-iot-device | HTTPS | messages
  it('arrives with every property', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    await client.open();
    const message = new Message(JSON.stringify({ t: 21.5 }));
    message.messageId = 'm-1';
    message.correlationId = 'c-1';
    message.userId = 'u-1';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('site', 'oslo');
    message.properties.add('shift', 'night');
    await client.sendEvent(message);
    const [event] = await events(device.deviceId, 1);
    assert.deepStrictEqual(event.body, { t: 21.5 });
    assert.deepStrictEqual(event.properties, { site: 'oslo', shift: 'night' });
    assert.deepStrictEqual(event.systemProperties, {
      messageId: 'm-1',
      correlationId: 'c-1',
      userId: 'u-1',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
    });
    assert.strictEqual(event.authGenerationId, device.generationId);
    assert.strictEqual(event.authMethod.scope, 'device');
    await client.close();
  });

  it('keeps the order of a batch', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    const messages = ['a', 'b', 'ü'].map((text, at) => {
      const message = new Message(text);
      message.properties.add('at', String(at));
      return message;
    });
    await client.sendEventBatch(messages);
    const seen = await events(device.deviceId, 3);
    assert.deepStrictEqual(seen.map((event) => event.body), ['a', 'b', 'ü']);
    assert.deepStrictEqual(seen.map((event) => event.properties.at), ['0', '1', '2']);
    await client.close();
  });

  it('is refused when it is too large', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    const error = await client.sendEvent(new Message(Buffer.alloc(256 * 1024 + 1))).then(
      () => assert.fail('it was taken'),
      (error) => error,
    );
    assert.strictEqual(error.name, 'MessageTooLargeError', String(error));
  });

  it('is refused with the wrong key and for a disabled device', async () => {
    const device = await newDevice();
    const other = await newDevice();
    const wrong = clientOf({ ...device, authentication: other.authentication });
    const disabled = clientOf(device);
    for (const client of [wrong, disabled]) {
      if (client === disabled) await registry.update({ ...device, status: 'disabled' });
      const error = await client.sendEvent(new Message('x')).then(
        () => assert.fail('it was taken'),
        (error) => error,
      );
      assert.strictEqual(error.name, 'UnauthorizedError', String(error));
    }
  });
});
