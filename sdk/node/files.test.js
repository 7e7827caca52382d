// Files that devices upload with azure-iot-device, which brings its own storage client, and reads back with it.

'use strict';

const assert = require('assert');
const { createHash, randomBytes } = require('crypto');
const { Readable } = require('stream');
const { Client } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { ConnectionString } = require('azure-iot-common');
const { BlockBlobClient, AnonymousCredential, newPipeline } = require('@azure/storage-blob');
const { call, connectionString, newDevice, registry, removeMade } = require('./support');

const MIB = 1024 * 1024;
const host = ConnectionString.parse(connectionString('service')).HostName;

function clientOf(device) {
  const key = device.authentication.symmetricKey.primaryKey;
  return Client.fromConnectionString(`HostName=${host};DeviceId=${device.deviceId};SharedAccessKey=${key}`, Http);
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

// What the hub has under the name, as an operator gets it.
async function stored(device, name) {
  const path = `/skerry/v1/files/${device.deviceId}/${encodeURIComponent(name)}`;
  const answer = await call('iothubowner', 'GET', path);
  assert.strictEqual(answer.status, 200, answer.body.toString().slice(0, 500));
  return answer.body;
}

// The notice of this device's file; those of other tests are settled on the way.
async function notice(device) {
  const path = '/messages/serviceBound/filenotifications';
  for (;;) {
    const answer = await call('service', 'GET', `${path}?api-version=2021-04-12`);
    assert.strictEqual(answer.status, 200, 'the notice has not come');
    const told = JSON.parse(answer.body);
    const lock = answer.headers.etag.replace(/"/g, '');
    const settled = await call('service', 'DELETE', `${path}/${lock}?api-version=2021-04-12`);
    assert.strictEqual(settled.status, 204);
    if (told.deviceId === device.deviceId) return told;
  }
}

// The SDK gives every refusal of a link as a plain Error; what the hub said is in its response.
function refusedWith(code, call) {
  return assert.rejects(call, (error) => error.response.headers['iothub-errorcode'] === code);
}

describe('files', () => {
  afterEach(removeMade);

  for (const [what, length] of [
    ['one byte', 1],
    ['a small file', 10_000],
    ['20 MB in blocks', 20 * MIB + 12_345],
  ]) {
    // shows: azure-iot-device | HTTPS | files
    it(`arrive whole: ${what}`, async () => {
      const device = await newDevice();
      const client = clientOf(device);
      const bytes = randomBytes(length);
      await client.uploadToBlob('logs/today.bin', Readable.from([bytes]), length);
      const found = await stored(device, 'logs/today.bin');
      assert.deepStrictEqual([found.length, digest(found)], [length, digest(bytes)]);
      const told = await notice(device);
      assert.strictEqual(told.blobName, `${device.deviceId}/logs/today.bin`);
      assert.strictEqual(told.blobUri, `https://${host}/uploads/${device.deviceId}/logs/today.bin`);
      assert.strictEqual(told.blobSizeInBytes, length);
      assert.ok(new Date(told.enqueuedTimeUtc) >= new Date(told.lastUpdatedTime));
      await client.close();
    });
  }

  it('are what the storage client makes of the link, step by step', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    const link = await client.getBlobSharedAccessSignature('step.txt');
    assert.deepStrictEqual([link.hostName, link.containerName, link.blobName], [host, 'uploads', `${device.deviceId}/step.txt`]);
    const pipeline = newPipeline(new AnonymousCredential(), { retryOptions: { maxTries: 1 } });
    const address = `https://${link.hostName}/${link.containerName}/${encodeURIComponent(link.blobName)}${link.sasToken}`;
    const blob = new BlockBlobClient(address, pipeline);
    const text = Buffer.from('0123456789'.repeat(1000));
    const put = await blob.upload(text, text.length, {
      blobHTTPHeaders: { blobContentType: 'text/plain' },
      metadata: { site: 'oslo' },
      conditions: { ifNoneMatch: '*' },
    });
    const properties = await blob.getProperties();
    assert.deepStrictEqual(
      [properties.contentLength, properties.contentType, properties.metadata, properties.etag, properties.blobType],
      [10_000, 'text/plain', { site: 'oslo' }, put.etag, 'BlockBlob'],
    );
    assert.ok(properties.lastModified instanceof Date && !isNaN(properties.lastModified));
    assert.ok((await blob.downloadToBuffer()).equals(text));
    assert.strictEqual((await blob.downloadToBuffer(5, 10)).toString(), '5678901234');
    await assert.rejects(blob.upload('x', 1, { conditions: { ifNoneMatch: '*' } }), { statusCode: 409, code: 'BlobAlreadyExists' });
    await assert.rejects(blob.delete(), { statusCode: 403, code: 'AuthorizationPermissionMismatch' });

    await blob.stageBlock(Buffer.from('1').toString('base64'), 'one', 3);
    await blob.stageBlock(Buffer.from('2').toString('base64'), 'two', 3);
    const waiting = await blob.getBlockList('all');
    assert.deepStrictEqual(waiting.uncommittedBlocks.map((block) => block.size), [3, 3]);
    await blob.commitBlockList([Buffer.from('2').toString('base64'), Buffer.from('1').toString('base64')]);
    assert.strictEqual((await blob.downloadToBuffer()).toString(), 'twoone');
    await assert.rejects(blob.commitBlockList(['Mw==']), { statusCode: 400, code: 'InvalidBlockList' });
    await client.notifyBlobUploadStatus(link.correlationId, true, 200, 'ok');
    assert.strictEqual((await notice(device)).blobSizeInBytes, 6);
    await client.close();
  });

  it('of other names need another link', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    const link = await client.getBlobSharedAccessSignature('mine.txt');
    const address = `https://${link.hostName}/${link.containerName}/${device.deviceId}/other.txt${link.sasToken}`;
    const blob = new BlockBlobClient(address, newPipeline(new AnonymousCredential(), { retryOptions: { maxTries: 1 } }));
    await assert.rejects(blob.upload('x', 1), { statusCode: 403, code: 'AuthenticationFailed' });
    await client.notifyBlobUploadStatus(link.correlationId, false, 403, 'refused');
    await client.close();
  });

  it('cannot be begun eleven at a time, or by a disabled device', async () => {
    const device = await newDevice();
    const client = clientOf(device);
    const links = [];
    for (let at = 0; at < 10; at += 1) links.push(await client.getBlobSharedAccessSignature(`${at}.txt`));
    assert.strictEqual(new Set(links.map((link) => link.correlationId)).size, 10);
    await refusedWith('DeviceMaximumActiveFileUploadLimitExceeded', client.getBlobSharedAccessSignature('x.txt'));
    await client.notifyBlobUploadStatus(links[0].correlationId, false, 500, 'given up');
    await client.getBlobSharedAccessSignature('x.txt');
    await registry.update({ ...device, status: 'disabled' });
    await refusedWith('IotHubUnauthorizedAccess', client.getBlobSharedAccessSignature('y.txt'));
    await client.close();
  });
});
