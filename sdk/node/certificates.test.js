// Devices and modules that prove themselves by certificates, with azure-iot-device on every transport.

'use strict';

const assert = require('assert');
const fs = require('fs');
const { randomBytes } = require('crypto');
const { Readable } = require('stream');
const { Client, ModuleClient, Message, X509AuthenticationProvider } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Http } = require('azure-iot-device-http');
const { NoRetry } = require('azure-iot-common');
const { call, host, events, newId, newDevice, registry, removeMade } = require('./support');
const { authority, selfSigned, signed, thumbprint } = require('./openssl');

async function register(name, by) {
  const body = { certificate: fs.readFileSync(by.cert, 'utf8'), isVerified: true };
  const { status, body: said } = await call('iothubowner', 'PUT', '/skerry/v1/certificates/' + name, body);
  assert.strictEqual(status, 200, said.toString());
}

async function unregister(name) {
  const { status, body: said } = await call('iothubowner', 'DELETE', '/skerry/v1/certificates/' + name);
  assert.ok(status < 300, said.toString());
}

const open = [];

async function clientOf(deviceId, { key, cert }, transport) {
  const client = Client.fromConnectionString(`HostName=${host};DeviceId=${deviceId};x509=true`, transport);
  client.on('error', () => {});
  client.setRetryPolicy(new NoRetry());
  // Over HTTPS the SDK never calls back when there is nothing of HTTP among the options.
  const isSet = client.setOptions({ key, cert });
  if (transport !== Http) await isSet;
  open.push(client);
  return client;
}

// The SDK has no form of its own for modules with certificates; its pieces fit together all the same.
function moduleOf(deviceId, moduleId, { key, cert }, transport) {
  const provider = new X509AuthenticationProvider({ host, deviceId, moduleId, x509: { key, cert } });
  const client = ModuleClient.fromAuthenticationProvider(provider, transport);
  client.on('error', () => {});
  client.setRetryPolicy(new NoRetry());
  open.push(client);
  return client;
}

async function refused(client) {
  const error = await client.open().then(() => client.sendEvent(new Message('x'))).then(
    () => assert.fail('it was let in'),
    (error) => error,
  );
  assert.strictEqual(error.name, 'UnauthorizedError', String(error));
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close().catch(() => {});
  await removeMade();
});

for (const [name, transport] of [['MQTT', Mqtt], ['MQTT over WebSockets', MqttWs], ['AMQP', Amqp], ['AMQP over WebSockets', AmqpWs], ['HTTPS', Http]]) {
  describe(`certificates over ${name}`, () => {
    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets, HTTPS | certificate by its thumbprint
    it('prove by their thumbprint', async () => {
      const deviceId = newId();
      const [first, second, stranger] = ['anything', 'else', deviceId].map(selfSigned);
      const x509Thumbprint = {
        primaryThumbprint: thumbprint(first, 'sha256'),
        secondaryThumbprint: thumbprint(second, 'sha1'),
      };
      await registry.create({ deviceId, authentication: { type: 'selfSigned', x509Thumbprint } });
      for (const certificate of [first, second]) {
        const client = await clientOf(deviceId, certificate, transport);
        await client.open();
        await client.sendEvent(new Message('by thumbprint'));
        await client.close();
      }
      for (const event of await events(deviceId, 2, 'Telemetry')) {
        assert.deepStrictEqual([event.body, event.authMethod.type], ['by thumbprint', 'x509']);
      }
      await refused(await clientOf(deviceId, stranger, transport));
    });

    // shows: azure-iot-device | MQTT, MQTT in WebSockets, AMQP, AMQP in WebSockets, HTTPS | certificate by an authority
    it('prove by who signed them', async () => {
      const deviceId = newId();
      const [root, stranger] = [authority('root'), authority('root')];
      await registry.create({ deviceId, authentication: { type: 'certificateAuthority' } });
      await register(deviceId, root);
      const client = await clientOf(deviceId, signed(root, deviceId), transport);
      await client.open();
      await client.sendEvent(new Message('signed'));
      const [event] = await events(deviceId, 1, 'Telemetry');
      assert.deepStrictEqual([event.body, event.authMethod.type], ['signed', 'x509']);
      await refused(await clientOf(deviceId, signed(root, 'somebody-else'), transport));
      await refused(await clientOf(deviceId, signed(stranger, deviceId), transport));
      await unregister(deviceId);
      await refused(await clientOf(deviceId, signed(root, deviceId), transport));
    });

    it('let files in', async () => {
      const deviceId = newId();
      const own = selfSigned('own');
      const x509Thumbprint = { primaryThumbprint: thumbprint(own, 'sha256'), secondaryThumbprint: thumbprint(own, 'sha256') };
      await registry.create({ deviceId, authentication: { type: 'selfSigned', x509Thumbprint } });
      const bytes = randomBytes(300_000);
      const client = await clientOf(deviceId, own, transport);
      await client.uploadToBlob('report.bin', Readable.from([bytes]), bytes.length);
      const stored = await call('iothubowner', 'GET', `/skerry/v1/files/${deviceId}/report.bin`);
      assert.ok(stored.status === 200 && stored.body.equals(bytes), stored.status);
    });
  });
}

for (const [name, transport] of [['MQTT', Mqtt], ['MQTT over WebSockets', MqttWs], ['AMQP', Amqp], ['AMQP over WebSockets', AmqpWs]]) {
  it(`certificates prove modules over ${name}`, async () => {
    const { deviceId } = await newDevice();
    const [own, root] = [selfSigned('anything'), authority('root')];
    const x509Thumbprint = { primaryThumbprint: thumbprint(own, 'sha1'), secondaryThumbprint: thumbprint(own, 'sha256') };
    await registry.addModule({ deviceId, moduleId: 'printed', authentication: { type: 'selfSigned', x509Thumbprint } });
    await registry.addModule({ deviceId, moduleId: 'signed', authentication: { type: 'certificateAuthority' } });
    await register(deviceId, root);
    const shown = { printed: own, signed: signed(root, deviceId + '/signed') };
    for (const [at, [moduleId, certificate]] of Object.entries(shown).entries()) {
      const client = moduleOf(deviceId, moduleId, certificate, transport);
      await client.open();
      await client.sendEvent(new Message('by certificate'));
      const event = (await events(deviceId, at + 1, 'Telemetry'))[at];
      assert.deepStrictEqual([event.moduleId, event.authMethod.type, event.authMethod.scope], [moduleId, 'x509', 'module']);
    }
    await refused(moduleOf(deviceId, 'signed', signed(root, deviceId), transport));
    await unregister(deviceId);
  });
}
