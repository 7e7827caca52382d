// Events read with @azure/event-hubs, on AMQP's port and inside WebSockets.

'use strict';

// This SDK is made for Node 20, where it is there by itself; on Node 18, which is Debian 12's, a program has to do this.
globalThis.crypto ??= require('crypto').webcrypto;

const assert = require('assert');
const WebSocket = require('ws');
const { EventHubConsumerClient, earliestEventPosition, latestEventPosition } = require('@azure/event-hubs');
const { Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { ConnectionString } = require('azure-iot-common');
const { connectionString, newDevice, removeMade, restartHub, until } = require('./support');
const { connected, closeAll, failure } = require('./sessions');

const login = ConnectionString.parse(connectionString('service'));
const entity = login.HostName.split('.')[0];
const endpoint =
  `Endpoint=sb://${login.HostName}/;SharedAccessKeyName=${login.SharedAccessKeyName};` +
  `SharedAccessKey=${login.SharedAccessKey};EntityPath=${entity}`;

const open = [];

function consumer(options = {}, group = '$Default') {
  const client = new EventHubConsumerClient(group, endpoint, options);
  open.push(client);
  return client;
}

// Reads until it has so many events of the device; what it saw, with where each stands.
async function read(client, device, count, startPosition) {
  const seen = [];
  let trouble;
  const subscription = client.subscribe(
    {
      processEvents: async (events, context) => {
        for (const event of events) {
          if (event.systemProperties['iothub-connection-device-id'] === device.deviceId && event.systemProperties['iothub-message-source'] === 'Telemetry') {
            seen.push({ event, partition: context.partitionId });
          }
        }
      },
      processError: async (error) => {
        trouble = error;
      },
    },
    { startPosition, maxWaitTimeInSeconds: 1 },
  );
  try {
    await until(`${count} events are there`, () => trouble || seen.length >= count);
  } finally {
    await subscription.close();
  }
  if (trouble) throw trouble;
  return seen;
}

async function send(device, bodies) {
  const client = await connected(device, Mqtt);
  for (const body of bodies) {
    const message = new Message(JSON.stringify(body));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.messageId = `m-${body.n}`;
    message.properties.add('site', 'oslo');
    await client.sendEvent(message);
  }
  await client.close();
}

for (const [name, options] of [['AMQP', {}], ['AMQP over WebSockets', { webSocketOptions: { webSocket: WebSocket } }]]) {
  describe(`events over ${name}`, () => {
    afterEach(async () => {
      for (const client of open.splice(0)) await client.close();
      await closeAll();
      await removeMade();
    });

    it('say what there is', async () => {
      const client = consumer(options);
      const facts = await client.getEventHubProperties();
      assert.strictEqual(facts.name, entity);
      assert.deepStrictEqual(facts.partitionIds, ['0', '1', '2', '3']);
      assert.ok(facts.createdOn instanceof Date);
      for (const id of facts.partitionIds) {
        const partition = await client.getPartitionProperties(id);
        assert.strictEqual(partition.partitionId, id);
        assert.ok(partition.lastEnqueuedSequenceNumber >= -1);
        assert.strictEqual(partition.isEmpty, partition.lastEnqueuedSequenceNumber === -1);
      }
    });

    // shows: @azure/event-hubs | AMQP, AMQP in WebSockets | events
    it('come whole, from the beginning, from a sequence number, an offset or a moment on', async () => {
      const device = await newDevice();
      const before = new Date(Date.now() - 1000);
      await send(device, [{ n: 0 }, { n: 1 }, { n: 2 }]);
      const client = consumer(options);
      const seen = await read(client, device, 3, earliestEventPosition);
      assert.deepStrictEqual(seen.map(({ event }) => event.body), [{ n: 0 }, { n: 1 }, { n: 2 }]);
      const { event, partition } = seen[0];
      assert.strictEqual(event.messageId, 'm-0');
      assert.strictEqual(event.contentType, 'application/json');
      assert.deepStrictEqual(event.properties, { site: 'oslo' });
      assert.strictEqual(event.systemProperties['iothub-connection-auth-generation-id'], device.generationId);
      assert.strictEqual(JSON.parse(event.systemProperties['iothub-connection-auth-method']).scope, 'device');
      assert.ok(Math.abs(event.enqueuedTimeUtc - Date.now()) < 60000);
      assert.strictEqual(typeof event.sequenceNumber, 'number');
      for (const [position, expected] of [
        [{ sequenceNumber: event.sequenceNumber }, [1, 2]],
        [{ sequenceNumber: event.sequenceNumber, isInclusive: true }, [0, 1, 2]],
        [{ offset: event.offset }, [1, 2]],
        [{ offset: event.offset, isInclusive: true }, [0, 1, 2]],
        [{ enqueuedOn: before }, [0, 1, 2]],
      ]) {
        const again = await read(client, device, expected.length, { [partition]: position });
        assert.deepStrictEqual(again.map(({ event }) => event.body.n), expected, JSON.stringify(position));
      }
    });

    it('come as they are sent to who asks for the newest', async () => {
      const device = await newDevice();
      const client = consumer(options);
      let ready = 0;
      const seen = [];
      const subscription = client.subscribe(
        {
          processInitialize: async () => { ready += 1; },
          processEvents: async (events) => seen.push(...events.filter((event) => event.systemProperties['iothub-connection-device-id'] === device.deviceId)),
          processError: async () => {},
        },
        { startPosition: latestEventPosition, maxWaitTimeInSeconds: 1 },
      );
      await until('all partitions are read', () => ready === 4);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await send(device, [{ n: 7 }]);
      await until('it came', () => seen.some((event) => event.body && event.body.n === 7));
      await subscription.close();
    });

    it('go to the reader with the higher owner level', async () => {
      const low = consumer(options);
      const high = consumer(options);
      const errors = [];
      let lost = false;
      const handlers = {
        processEvents: async () => {},
        processError: async (error) => errors.push(error),
        processClose: async () => { lost = true; },
      };
      const quick = { startPosition: latestEventPosition, maxWaitTimeInSeconds: 1 };
      const first = low.subscribe('0', handlers, { ...quick, ownerLevel: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const second = high.subscribe('0', { processEvents: async () => {}, processError: async (error) => errors.push({ second: error }) }, { ...quick, ownerLevel: 2 });
      await until('the first one is out', () => lost && errors.length > 0);
      assert.strictEqual(errors[0].code, 'ReceiverDisconnectedError', String(errors[0]));
      assert.ok(errors.every((error) => !error.second));
      await first.close();
      await second.close();
    });

    it('are not there in a consumer group that does not exist', async () => {
      const device = await newDevice();
      const client = consumer({ ...options, retryOptions: { maxRetries: 0 } }, 'nobody');
      const error = await failure(read(client, device, 1, earliestEventPosition));
      assert.strictEqual(error.code, 'MessagingEntityNotFoundError', String(error));
      assert.ok(error.message.includes('nobody'), String(error));
    });
  });
}

describe('events', () => {
  afterEach(async () => {
    for (const client of open.splice(0)) await client.close();
    await closeAll();
    await removeMade();
  });

  it('go on where they were when the hub restarts', async () => {
    const device = await newDevice();
    const client = consumer({ retryOptions: { retryDelayInMs: 500 } });
    const seen = [];
    const subscription = client.subscribe(
      {
        processEvents: async (events) => {
          for (const event of events) {
            if (event.systemProperties['iothub-connection-device-id'] === device.deviceId && event.body && event.body.n !== undefined) seen.push(event.body.n);
          }
        },
        processError: async () => {},
      },
      { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 },
    );
    await send(device, [{ n: 0 }, { n: 1 }]);
    await until('the first are there', () => seen.length >= 2);
    restartHub();
    await send(device, [{ n: 2 }, { n: 3 }]);
    for (let tries = 0; tries < 60 && seen.length < 4; tries += 1) await new Promise((resolve) => setTimeout(resolve, 500));
    await subscription.close();
    assert.deepStrictEqual(seen, [0, 1, 2, 3]);
  }).timeout(60000);

  it('are not for a policy that may not read them', async () => {
    const other = ConnectionString.parse(connectionString('registryRead'));
    const client = new EventHubConsumerClient(
      '$Default',
      `Endpoint=sb://${other.HostName}/;SharedAccessKeyName=${other.SharedAccessKeyName};SharedAccessKey=${other.SharedAccessKey};EntityPath=${entity}`,
      { retryOptions: { maxRetries: 0 } },
    );
    open.push(client);
    const error = await failure(client.getEventHubProperties());
    assert.ok(/unauthori[sz]ed/i.test(`${error.code} ${error.message}`), String(error));
  });
});
