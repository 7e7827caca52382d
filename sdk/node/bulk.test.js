// Many devices in one call through azure-iothub's Registry.

'use strict';

const assert = require('assert');
const { registry, newId, newDevice, removeMade, refused } = require('./support');

describe('devices in bulk', () => {
  afterEach(removeMade);

  // shows: azure-iothub | HTTPS | devices in bulk
  it('are added', async () => {
    const ids = [newId(), newId(), newId()];
    const { responseBody: result, httpResponse } = await registry.addDevices(ids.map((deviceId) => ({ deviceId })));
    assert.strictEqual(httpResponse.statusCode, 200);
    assert.deepStrictEqual(result, { isSuccessful: true, errors: [], warnings: [] });
    for (const id of ids) {
      const { responseBody: device } = await registry.get(id);
      assert.strictEqual(device.status, 'enabled');
      assert.strictEqual(Buffer.from(device.authentication.symmetricKey.primaryKey, 'base64').length, 32);
    }
  });

  it('are updated by force', async () => {
    const devices = [await newDevice(), await newDevice()];
    const { responseBody: result } = await registry.updateDevices(
      devices.map(({ deviceId, authentication }) => ({ deviceId, authentication, status: 'disabled' })),
      true,
    );
    assert.strictEqual(result.isSuccessful, true);
    for (const device of devices) {
      const { responseBody: now } = await registry.get(device.deviceId);
      assert.strictEqual(now.status, 'disabled');
      assert.deepStrictEqual(now.authentication, device.authentication);
      assert.strictEqual(now.generationId, device.generationId);
    }
  });

  it('are updated only with their etag when not forced', async () => {
    const device = await newDevice();
    const change = { deviceId: device.deviceId, authentication: device.authentication, status: 'disabled' };
    const { responseBody: good } = await registry.updateDevices([{ ...change, etag: device.etag }], false);
    assert.strictEqual(good.isSuccessful, true);
    const error = await registry.updateDevices([{ ...change, etag: device.etag, status: 'enabled' }], false).then(
      () => assert.fail('a stale etag was taken'),
      (error) => error,
    );
    assert.strictEqual(error.name, 'ArgumentError');
    const result = JSON.parse(error.responseBody);
    assert.strictEqual(result.isSuccessful, false);
    assert.strictEqual(result.errors.length, 1);
    assert.strictEqual(result.errors[0].deviceId, device.deviceId);
    assert.ok(['PreconditionFailed', 'EtagDoesNotMatch'].includes(result.errors[0].errorCode));
    assert.strictEqual((await registry.get(device.deviceId)).responseBody.status, 'disabled');
  });

  it('are removed, with etag or by force', async () => {
    const [kept, guarded, forced] = [await newDevice(), await newDevice(), await newDevice()];
    const one = await registry.removeDevices([{ deviceId: guarded.deviceId, etag: guarded.etag }], false);
    assert.strictEqual(one.responseBody.isSuccessful, true);
    const two = await registry.removeDevices([{ deviceId: forced.deviceId }], true);
    assert.strictEqual(two.responseBody.isSuccessful, true);
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.get(guarded.deviceId));
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.get(forced.deviceId));
    assert.deepStrictEqual((await registry.get(kept.deviceId)).responseBody, kept);
  });

  it('fail one by one', async () => {
    const there = await newDevice();
    const fresh = newId();
    const error = await registry.addDevices([{ deviceId: there.deviceId }, { deviceId: fresh }]).then(
      () => assert.fail('a device was created twice'),
      (error) => error,
    );
    assert.strictEqual(error.response.statusCode, 400);
    const result = JSON.parse(error.responseBody);
    assert.deepStrictEqual(
      result.errors.map(({ deviceId, errorCode }) => ({ deviceId, errorCode })),
      [{ deviceId: there.deviceId, errorCode: 'DeviceAlreadyExists' }],
    );
    assert.strictEqual((await registry.get(fresh)).responseBody.deviceId, fresh);
    assert.deepStrictEqual((await registry.get(there.deviceId)).responseBody, there);
  });

  it('are refused whole when one stands twice', async () => {
    const deviceId = newId();
    await refused('ArgumentError', 'DeviceDefinedMultipleTimes', registry.addDevices([{ deviceId }, { deviceId }]));
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.get(deviceId));
  });
});
