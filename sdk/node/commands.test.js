// Messages for devices with azure-iot-device over HTTPS: received, settled, and told to their sender.

'use strict';

const assert = require('assert');
const https = require('https');
const { Client } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { SharedAccessSignature, ConnectionString } = require('azure-iot-common');
const { connectionString, registry, newDevice, removeMade } = require('./support');

const login = ConnectionString.parse(connectionString('service'));
const host = login.HostName;

function service(method, path, headers = {}, body = '') {
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const token = SharedAccessSignature.create(host, login.SharedAccessKeyName, login.SharedAccessKey, expiry).toString();
  return new Promise((resolve, reject) => {
    const options = {
      method,
      host,
      path: `${path}?api-version=2021-04-12`,
      headers: { ...headers, authorization: token, 'content-length': Buffer.byteLength(body) },
    };
    const request = https.request(options, (response) => {
      let text = '';
      response.on('data', (piece) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function send(device, body, headers) {
  const id = encodeURIComponent(device.deviceId);
  const answer = await service('POST', `/devices/${id}/messages/deviceBound`, headers, body);
  assert.strictEqual(answer.status, 204, answer.text);
}

// A client that asks for messages only when it is told to.
async function listening(device) {
  const key = device.authentication.symmetricKey.primaryKey;
  const text = `HostName=${host};DeviceId=${device.deviceId};SharedAccessKey=${key}`;
  const client = Client.fromConnectionString(text, Http);
  await client.open();
  const messages = [];
  const waiting = [];
  await client.setOptions({ http: { receivePolicy: { interval: 1 } } });
  client.on('message', (message) => {
    const next = waiting.shift();
    if (next) next(message);
    else messages.push(message);
  });
  const receive = () =>
    messages.length ? Promise.resolve(messages.shift()) : new Promise((resolve) => waiting.push(resolve));
  return { client, receive };
}

describe('messages for devices over HTTPS', () => {
  afterEach(removeMade);

  // shows: azure-iot-device | HTTPS | commands
  it('arrive with every property and are completed', async () => {
    const device = await newDevice();
    await send(device, 'open the window', {
      'iothub-messageid': 'm-1',
      'iothub-correlationid': 'c-1',
      'iothub-contenttype': 'text/plain',
      'iothub-contentencoding': 'utf-8',
      'iothub-app-site': 'oslo',
    });
    const { responseBody: waits } = await registry.get(device.deviceId);
    assert.strictEqual(waits.cloudToDeviceMessageCount, 1);
    const { client, receive } = await listening(device);
    const message = await receive();
    assert.strictEqual(message.getData().toString(), 'open the window');
    assert.strictEqual(message.messageId, 'm-1');
    assert.strictEqual(message.correlationId, 'c-1');
    assert.strictEqual(message.to, `/devices/${device.deviceId}/messages/devicebound`);
    // This SDK leaves the header's name as it is.
    assert.strictEqual(message.properties.getValue('iothub-app-site'), 'oslo');
    await client.complete(message);
    const error = await client.complete(message).then(
      () => assert.fail('it was settled twice'),
      (error) => error,
    );
    assert.ok(error, 'the lock is gone');
    const { responseBody: done } = await registry.get(device.deviceId);
    assert.strictEqual(done.cloudToDeviceMessageCount, 0);
    await client.close();
  });

  it('come again in their order when they are abandoned', async () => {
    const device = await newDevice();
    const { client, receive } = await listening(device);
    await send(device, 'first');
    const first = await receive();
    await send(device, 'second');
    await client.abandon(first);
    const seen = [];
    for (let n = 0; n < 2; n++) {
      const message = await receive();
      seen.push(message.getData().toString());
      await client.complete(message);
    }
    assert.deepStrictEqual(seen, ['first', 'second']);
    await client.close();
  });

  it('are refused for good, purged, and their sender hears of it', async () => {
    const device = await newDevice();
    const { client, receive } = await listening(device);
    await send(device, 'no', { 'iothub-messageid': `${device.deviceId}-no`, 'iothub-ack': 'negative' });
    await client.reject(await receive());
    await send(device, 'yes', { 'iothub-messageid': `${device.deviceId}-yes`, 'iothub-ack': 'full' });
    await client.complete(await receive());
    await client.close();
    await send(device, 'never', { 'iothub-messageid': `${device.deviceId}-never`, 'iothub-ack': 'full' });
    const purged = await service('DELETE', `/devices/${encodeURIComponent(device.deviceId)}/commands`);
    const expected = { totalMessagesPurged: 1, deviceId: device.deviceId, moduleId: null };
    assert.deepStrictEqual(JSON.parse(purged.text), expected);

    // It comes together for fifteen seconds.
    const heard = {};
    while (Object.keys(heard).length < 3) {
      const batch = await service('GET', '/messages/serviceBound/feedback');
      if (batch.status === 204) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      assert.strictEqual(batch.status, 200, batch.text);
      assert.strictEqual(batch.headers['content-type'], 'application/vnd.microsoft.iothub.feedback.json');
      for (const record of JSON.parse(batch.text)) {
        if (record.deviceId !== device.deviceId) continue;
        assert.strictEqual(record.deviceGenerationId, device.generationId);
        heard[record.originalMessageId.slice(device.deviceId.length + 1)] = record.statusCode;
      }
      const lock = batch.headers.etag.replaceAll('"', '');
      const done = await service('DELETE', `/messages/serviceBound/feedback/${lock}`);
      assert.strictEqual(done.status, 204, done.text);
    }
    assert.deepStrictEqual(heard, { no: 'Rejected', yes: 'Success', never: 'Purged' });
  }).timeout(40000);
});
