// Twins of devices and modules through azure-iothub's Registry and Twin.

'use strict';

const assert = require('assert');
const { registry, newId, newDevice, removeMade, refused, plain } = require('./support');

describe('twins', () => {
  afterEach(removeMade);

  it('of a fresh device are empty', async () => {
    const device = await newDevice();
    const { responseBody: twin, httpResponse } = await registry.getTwin(device.deviceId);
    assert.strictEqual(httpResponse.headers.etag, '"AAAAAAAAAAE="');
    assert.strictEqual(twin.etag, 'AAAAAAAAAAE=');
    assert.strictEqual(twin.version, 2);
    assert.strictEqual(twin.deviceEtag, device.etag);
    assert.strictEqual(twin.moduleId, undefined);
    assert.strictEqual(twin.status, 'enabled');
    assert.strictEqual(twin.connectionState, 'Disconnected');
    assert.strictEqual(twin.authenticationType, 'sas');
    assert.deepStrictEqual(twin.capabilities, { iotEdge: false });
    assert.deepStrictEqual(twin.tags, {});
    for (const section of [twin.properties.desired, twin.properties.reported]) {
      assert.deepStrictEqual(plain(section), {});
      assert.strictEqual(section.$version, 1);
      assert.ok(Date.parse(section.$metadata.$lastUpdated) > 0);
    }
  });

  // shows: azure-iothub | HTTPS | twins
  it('merge what is sent', async () => {
    const { deviceId } = await newDevice();
    const { responseBody: first } = await registry.updateTwin(
      deviceId,
      { tags: { site: { a: 1, b: 2 } }, properties: { desired: { speed: 1, on: true } } },
      '*',
    );
    assert.deepStrictEqual(first.tags, { site: { a: 1, b: 2 } });
    assert.strictEqual(first.properties.desired.$version, 2);
    const patch = { tags: { site: { b: null, c: 3 } }, properties: { desired: { on: null, list: [1, { x: null }] } } };
    const { responseBody: second } = await registry.updateTwin(deviceId, patch, first.etag);
    assert.deepStrictEqual(second.tags, { site: { a: 1, c: 3 } });
    assert.strictEqual(second.properties.desired.speed, 1);
    assert.strictEqual(second.properties.desired.on, undefined);
    assert.strictEqual(second.properties.desired.$version, 3);
    assert.strictEqual(second.properties.desired.$metadata.list.$lastUpdatedVersion, 3);
    assert.strictEqual(second.properties.desired.$metadata.speed.$lastUpdatedVersion, 2);
    const { responseBody: read } = await registry.getTwin(deviceId);
    assert.deepStrictEqual(read.toJSON(), second.toJSON());
  });

  it('update themselves with the etag they hold', async () => {
    const { deviceId } = await newDevice();
    const { responseBody: mine } = await registry.getTwin(deviceId);
    const { responseBody: theirs } = await registry.getTwin(deviceId);
    await mine.update({ tags: { owner: 'me' } });
    assert.deepStrictEqual(mine.tags, { owner: 'me' });
    await refused('InvalidEtagError', 'PreconditionFailed', theirs.update({ tags: { owner: 'them' } }));
    await theirs.get();
    assert.deepStrictEqual(theirs.tags, { owner: 'me' });
    await theirs.update({ tags: { owner: 'them' } });
    await mine.get();
    assert.deepStrictEqual(mine.tags, { owner: 'them' });
  });

  it('refuse what does not fit', async () => {
    const { deviceId } = await newDevice();
    const { responseBody: before } = await registry.getTwin(deviceId);
    const wrong = [
      { tags: { 'a.b': 1 } },
      { tags: { $a: 1 } },
      { properties: { desired: { 'a b': 1 } } },
      { properties: { desired: { text: 'x'.repeat(4097) } } },
      { properties: { desired: { large: Number.MAX_SAFE_INTEGER } } },
      { tags: Object.fromEntries([...'abc'].map((key) => [key, 'x'.repeat(4000)])) },
      { tags: 'text' },
    ];
    for (const patch of wrong) {
      await refused('ArgumentError', 'ArgumentInvalid', registry.updateTwin(deviceId, patch, '*'));
    }
    const { responseBody: after } = await registry.getTwin(deviceId);
    assert.deepStrictEqual(after.toJSON(), before.toJSON());
  });

  it('of nobody are not there', async () => {
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.getTwin(newId()));
    await refused('DeviceNotFoundError', 'DeviceNotFound', registry.updateTwin(newId(), { tags: { a: 1 } }, '*'));
  });
});

// With the etag that it was read with: for this the SDK has a callback only.
function removeAsRead(module) {
  return new Promise((resolve, reject) => {
    registry.removeModule(module, (error) => (error ? reject(error) : resolve()));
  });
}

describe('modules', () => {
  afterEach(removeMade);

  // shows: azure-iothub | HTTPS | modules
  it('are added, read, updated and removed', async () => {
    const { deviceId } = await newDevice();
    const added = (await registry.addModule({ deviceId, moduleId: 'm1', managedBy: 'me' })).responseBody;
    assert.strictEqual(added.deviceId, deviceId);
    assert.strictEqual(added.moduleId, 'm1');
    assert.strictEqual(added.managedBy, 'me');
    assert.strictEqual(added.authentication.type, 'sas');
    assert.strictEqual(Buffer.from(added.authentication.symmetricKey.primaryKey, 'base64').length, 32);
    assert.deepStrictEqual((await registry.getModule(deviceId, 'm1')).responseBody, added);
    assert.deepStrictEqual((await registry.getModulesOnDevice(deviceId)).responseBody, [added]);

    const updated = (await registry.updateModule({ ...added, managedBy: 'you' })).responseBody;
    assert.strictEqual(updated.managedBy, 'you');
    assert.notStrictEqual(updated.etag, added.etag);
    await refused('InvalidEtagError', 'PreconditionFailed', registry.updateModule({ ...added, managedBy: 'them' }));
    const forced = (await registry.updateModule({ ...added, managedBy: 'all' }, true)).responseBody;
    assert.strictEqual(forced.managedBy, 'all');

    await refused('InvalidEtagError', 'PreconditionFailed', removeAsRead(added));
    await removeAsRead(forced);
    assert.deepStrictEqual((await registry.getModulesOnDevice(deviceId)).responseBody, []);
    await registry.addModule({ deviceId, moduleId: 'm1' });
    await registry.removeModule(deviceId, 'm1');
    // The SDK has no class for a missing module.
    await assert.rejects(registry.getModule(deviceId, 'm1'), (error) => {
      assert.strictEqual(error.response.statusCode, 404);
      assert.match(error.responseBody, /ErrorCode:ModuleNotFound;/);
      return true;
    });
  });

  it('are added once, and to a device', async () => {
    const { deviceId } = await newDevice();
    await registry.addModule({ deviceId, moduleId: 'm1' });
    const again = registry.addModule({ deviceId, moduleId: 'm1' });
    await refused('DeviceAlreadyExistsError', 'ModuleAlreadyExistsOnDevice', again);
    const nowhere = registry.addModule({ deviceId: newId(), moduleId: 'm1' });
    await refused('DeviceNotFoundError', 'DeviceNotFound', nowhere);
  });

  it('have twins', async () => {
    const { deviceId } = await newDevice();
    await registry.addModule({ deviceId, moduleId: 'm1' });
    const { responseBody: twin } = await registry.getModuleTwin(deviceId, 'm1');
    assert.strictEqual(twin.deviceId, deviceId);
    assert.strictEqual(twin.moduleId, 'm1');
    const patch = { tags: { a: 1 }, properties: { desired: { b: 2 } } };
    const { responseBody: updated } = await registry.updateModuleTwin(deviceId, 'm1', patch, twin.etag);
    assert.deepStrictEqual(updated.tags, { a: 1 });
    assert.strictEqual(updated.properties.desired.b, 2);
    await updated.update({ tags: { a: null } });
    assert.deepStrictEqual(updated.tags, {});
    await refused(
      'InvalidEtagError',
      'PreconditionFailed',
      registry.updateModuleTwin(deviceId, 'm1', patch, twin.etag),
    );
  });
});
