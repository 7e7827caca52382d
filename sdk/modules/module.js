// A module as people write it with azure-iot-device: everything about its edge comes from its container.

'use strict';

const { ModuleClient, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Amqp } = require('azure-iot-device-amqp');

async function main() {
  const client = await ModuleClient.fromEnvironment(process.env.SPEAKS === 'amqp' ? Amqp : Mqtt);
  client.on('error', (error) => console.log('error', error.message));
  await client.open();
  client.onMethod('ask', (request, response) => response.send(200, { by: 'node', got: request.payload }, () => {}));
  const twin = await client.getTwin();
  twin.on('properties.desired', ({ $version, ...took }) => {
    if (Object.keys(took).length > 0) twin.properties.reported.update({ took }, () => {});
  });
  console.log('connected');
  for (let number = 0; ; number += 1) {
    const message = new Message(JSON.stringify({ machine: { by: 'node', number } }));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    await client.sendOutputEvent('out', message).catch((error) => console.log('error', error.message));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

main().catch((error) => {
  console.log('error', error.stack);
  process.exit(1);
});
