// Policies and keys as azure-iothub's users meet them.

'use strict';

const assert = require('assert');
const { Registry, SharedAccessSignature } = require('azure-iothub');
const { connectionString, registryFor, registry, newDevice, removeMade, refused } = require('./support');

const parts = Object.fromEntries(
  connectionString('iothubowner').split(';').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
);

function registryWith(changed) {
  const text = Object.entries({ ...parts, ...changed }).map(([name, value]) => `${name}=${value}`).join(';');
  return Registry.fromConnectionString(text);
}

function signatureUntil(expiry) {
  return SharedAccessSignature.create(parts.HostName, parts.SharedAccessKeyName, parts.SharedAccessKey, expiry).toString();
}

describe('rights', () => {
  afterEach(removeMade);

  it('follow the policy', async () => {
    const { deviceId } = await newDevice();
    const [read, service, device] = ['registryRead', 'service', 'device'].map(registryFor);
    assert.strictEqual((await read.get(deviceId)).responseBody.deviceId, deviceId);
    assert.strictEqual((await service.getTwin(deviceId)).responseBody.deviceId, deviceId);
    for (const call of [
      () => read.delete(deviceId),
      () => read.getTwin(deviceId),
      () => read.addDevices([{ deviceId: deviceId + '-x' }]),
      () => service.get(deviceId),
      () => service.delete(deviceId),
      () => device.get(deviceId),
      () => device.getTwin(deviceId),
      () => device.createQuery('SELECT * FROM devices').next(),
    ]) {
      await refused('UnauthorizedError', 'IotHubUnauthorizedAccess', call());
    }
    assert.strictEqual((await registry.get(deviceId)).responseBody.deviceId, deviceId);
  });

  it('need the right key of a known policy', async () => {
    const wrong = registryWith({ SharedAccessKey: Buffer.alloc(32, 'x').toString('base64') });
    await refused('UnauthorizedError', 'IotHubUnauthorizedAccess', wrong.list());
    const nobody = registryWith({ SharedAccessKeyName: 'nobody' });
    await refused('UnauthorizedError', 'IotHubUnauthorizedAccess', nobody.list());
  });

  it('end with the signature', async () => {
    const now = Math.floor(Date.now() / 1000);
    const good = Registry.fromSharedAccessSignature(signatureUntil(now + 600));
    assert.ok(Array.isArray((await good.list()).responseBody));
    const late = Registry.fromSharedAccessSignature(signatureUntil(now - 3600));
    await refused('UnauthorizedError', 'IotHubUnauthorized', late.list());
  });
});
