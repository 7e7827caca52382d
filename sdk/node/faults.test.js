// Faults that a test asks for with a message, as the vendors' own suites do, and how the SDK recovers.

'use strict';

const assert = require('assert');
const { Client, Message } = require('azure-iot-device');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { host, events, newDevice, removeMade } = require('./support');

function fault(type, durationSeconds) {
  const message = new Message('break something');
  message.properties.add('AzIoTHub_FaultOperationType', type);
  message.properties.add('AzIoTHub_FaultOperationCloseReason', 'boom');
  message.properties.add('AzIoTHub_FaultOperationDelayInSecs', '0');
  message.properties.add('AzIoTHub_FaultOperationDurationInSecs', String(durationSeconds));
  return message;
}

const TRANSPORTS = [
  ['MQTT', Mqtt, ['KillTcp', 'ShutDownMqtt']],
  ['MQTT over WebSockets', MqttWs, ['KillTcp', 'ShutDownMqtt']],
  ['AMQP', Amqp, ['KillTcp', 'ShutDownAmqp', 'KillAmqpConnection', 'KillAmqpSession', 'KillAmqpD2CLink']],
  ['AMQP over WebSockets', AmqpWs, ['KillTcp', 'ShutDownAmqp', 'KillAmqpConnection', 'KillAmqpSession', 'KillAmqpD2CLink']],
];

for (const [name, transport, breaking] of TRANSPORTS) {
  describe(`a fault over ${name}`, () => {
    let client;
    let device;

    beforeEach(async () => {
      device = await newDevice();
      const key = device.authentication.symmetricKey.primaryKey;
      client = Client.fromConnectionString(`HostName=${host};DeviceId=${device.deviceId};SharedAccessKey=${key}`, transport);
      client.on('error', () => {});
      await client.open();
    });

    afterEach(async () => {
      await client.close().catch(() => {});
      await removeMade();
    });

    // The hub has seen the connection end.
    async function cut() {
      await events(device.deviceId, 2, 'deviceConnectionStateEvents');
    }

    for (const type of breaking) {
      it(`${type} cuts the connection, and the SDK comes back`, async () => {
        await client.sendEvent(new Message('before'));
        await client.sendEvent(fault(type, 0)).catch(() => {});
        await cut();
        // The SDK ends what is left of its connection, and forgets what it is given in that moment.
        if (type === 'KillAmqpSession') await new Promise((resolve) => setTimeout(resolve, 500));
        // The SDK connects when there is something to send.
        await client.sendEvent(new Message('after'));
        const states = await events(device.deviceId, 3, 'deviceConnectionStateEvents');
        assert.deepStrictEqual(states.map((event) => event.properties.opType), [
          'deviceConnected',
          'deviceDisconnected',
          'deviceConnected',
        ]);
        const seen = await events(device.deviceId, 2, 'Telemetry');
        assert.deepStrictEqual(seen.map((event) => event.body), ['before', 'after']);
      });
    }

    for (const type of ['InvokeThrottling', 'InvokeMaxMessageQuota']) {
      it(`${type} refuses for a while`, async () => {
        await client.sendEvent(fault(type, 2)).catch(() => {});
        await cut();
        await client.sendEvent(new Message('after'));
        const [event] = await events(device.deviceId, 1, 'Telemetry');
        assert.strictEqual(event.body, 'after');
      });
    }

    it('InvokeAuthError refuses, and the SDK gives up', async () => {
      await client.sendEvent(fault('InvokeAuthError', 60)).catch(() => {});
      await cut();
      const error = await client.sendEvent(new Message('after')).then(
        () => assert.fail('it was taken'),
        (error) => error,
      );
      assert.strictEqual(error.name, 'UnauthorizedError', String(error));
    });
  });
}
