// Identities of devices through azure-iothub's Registry.

'use strict';

const assert = require('assert');
const { registry, newId, newDevice, removeMade, refused } = require('./support');

const KEY_1 = Buffer.alloc(32, '1').toString('base64');
const KEY_2 = Buffer.alloc(32, '2').toString('base64');
const SHA1 = 'a1'.repeat(20);
const SHA256 = 'c3'.repeat(32);

describe('devices', () => {
  afterEach(removeMade);

  // shows: azure-iothub | HTTPS | devices
  it('are created with keys that the hub makes', async () => {
    const deviceId = newId();
    const { responseBody: device, httpResponse } = await registry.create({ deviceId });
    assert.strictEqual(httpResponse.statusCode, 200);
    assert.strictEqual(httpResponse.headers.etag, `"${device.etag}"`);
    assert.strictEqual(device.deviceId, deviceId);
    assert.strictEqual(device.status, 'enabled');
    assert.strictEqual(device.statusReason, null);
    assert.strictEqual(device.connectionState, 'Disconnected');
    assert.strictEqual(device.cloudToDeviceMessageCount, 0);
    assert.match(device.generationId, /^\d+$/);
    assert.deepStrictEqual(device.capabilities, { iotEdge: false });
    assert.strictEqual(device.authentication.type, 'sas');
    const { primaryKey, secondaryKey } = device.authentication.symmetricKey;
    assert.strictEqual(Buffer.from(primaryKey, 'base64').length, 32);
    assert.notStrictEqual(primaryKey, secondaryKey);
    assert.deepStrictEqual(device.authentication.x509Thumbprint, {
      primaryThumbprint: null,
      secondaryThumbprint: null,
    });
    assert.strictEqual(new Date(device.lastActivityTime).getUTCFullYear(), 1);
    const { responseBody: read } = await registry.get(deviceId);
    assert.deepStrictEqual(read, device);
  });

  it('keep the keys they are given', async () => {
    const device = await newDevice({
      status: 'disabled',
      statusReason: 'not yet',
      authentication: { symmetricKey: { primaryKey: KEY_1, secondaryKey: KEY_2 } },
    });
    assert.deepStrictEqual(device.authentication.symmetricKey, { primaryKey: KEY_1, secondaryKey: KEY_2 });
    assert.strictEqual(device.authentication.type, 'sas');
    assert.strictEqual(device.status, 'disabled');
    assert.strictEqual(device.statusReason, 'not yet');
  });

  it('may have thumbprints or an authority instead', async () => {
    const thumbprints = { primaryThumbprint: SHA1, secondaryThumbprint: SHA256 };
    const signed = await newDevice({ authentication: { x509Thumbprint: thumbprints } });
    assert.strictEqual(signed.authentication.type, 'selfSigned');
    assert.strictEqual(signed.authentication.x509Thumbprint.primaryThumbprint.toLowerCase(), SHA1);
    assert.strictEqual(signed.authentication.x509Thumbprint.secondaryThumbprint.toLowerCase(), SHA256);
    assert.strictEqual(signed.authentication.symmetricKey.primaryKey, null);
    const issued = await newDevice({ authentication: { type: 'certificateAuthority' } });
    assert.strictEqual(issued.authentication.type, 'certificateAuthority');
    assert.strictEqual(issued.authentication.symmetricKey.primaryKey, null);
    assert.strictEqual(issued.authentication.x509Thumbprint.primaryThumbprint, null);
  });

  it('may be edge devices', async () => {
    const edge = await newDevice({ capabilities: { iotEdge: true } });
    assert.strictEqual(edge.capabilities.iotEdge, true);
    assert.match(edge.deviceScope, new RegExp(`^ms-azure-iot-edge://${edge.deviceId}-\\d+$`));
    assert.deepStrictEqual(edge.parentScopes, []);
    const { responseBody: modules } = await registry.getModulesOnDevice(edge.deviceId);
    assert.deepStrictEqual(modules.map((module) => module.moduleId).sort(), ['$edgeAgent', '$edgeHub']);
    const leaf = await newDevice({ deviceScope: edge.deviceScope });
    assert.deepStrictEqual(leaf.parentScopes, [edge.deviceScope]);
  });

  it('are updated as they were read', async () => {
    const device = await newDevice();
    const { responseBody: updated } = await registry.update({ ...device, status: 'disabled', statusReason: 'lost' });
    assert.strictEqual(updated.status, 'disabled');
    assert.strictEqual(updated.statusReason, 'lost');
    assert.notStrictEqual(updated.etag, device.etag);
    assert.strictEqual(updated.generationId, device.generationId);
    assert.deepStrictEqual(updated.authentication, device.authentication);
    assert.deepStrictEqual((await registry.get(device.deviceId)).responseBody, updated);
  });

  it('are deleted', async () => {
    const device = await newDevice();
    const { httpResponse } = await registry.delete(device.deviceId);
    assert.strictEqual(httpResponse.statusCode, 204);
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.get(device.deviceId));
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.delete(device.deviceId));
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.update({ deviceId: device.deviceId }));
  });

  it('are listed', async () => {
    const ids = [];
    for (let number = 0; number < 3; number++) ids.push((await newDevice()).deviceId);
    const { responseBody: listed } = await registry.list();
    const found = new Map(listed.map((device) => [device.deviceId, device]));
    for (const id of ids) assert.deepStrictEqual(found.get(id), (await registry.get(id)).responseBody);
  });

  it('are counted', async () => {
    const { responseBody: before } = await registry.getRegistryStatistics();
    await newDevice();
    await newDevice({ status: 'disabled' });
    const { responseBody: after } = await registry.getRegistryStatistics();
    assert.deepStrictEqual(after, {
      totalDeviceCount: before.totalDeviceCount + 2,
      enabledDeviceCount: before.enabledDeviceCount + 1,
      disabledDeviceCount: before.disabledDeviceCount + 1,
    });
  });

  it('may have every allowed character in their id', async () => {
    const deviceId = newId("-:.+%_#*?!(),=@;$'");
    const { responseBody: device } = await registry.create({ deviceId });
    assert.strictEqual(device.deviceId, deviceId);
    assert.strictEqual((await registry.get(deviceId)).responseBody.deviceId, deviceId);
    assert.strictEqual((await registry.getTwin(deviceId)).responseBody.deviceId, deviceId);
  });

  it('answer with the classes of the SDK', async () => {
    const device = await newDevice();
    await refused('DeviceAlreadyExistsError', 'DeviceAlreadyExists', registry.create({ deviceId: device.deviceId }));
    await refused('ArgumentError', 'ArgumentInvalid', registry.create({ deviceId: 'node-{}' }));
    await refused('ArgumentError', 'ArgumentInvalid', registry.create({ deviceId: newId(), status: 'asleep' }));
    const short = { symmetricKey: { primaryKey: 'AAAA', secondaryKey: 'AAAA' } };
    await refused('ArgumentError', 'ArgumentInvalid', registry.create({ deviceId: newId(), authentication: short }));
    const nobody = { deviceId: newId(), deviceScope: 'ms-azure-iot-edge://nobody-1' };
    await refused('ArgumentError', 'InvalidDeviceScope', registry.create(nobody));
  });
});
