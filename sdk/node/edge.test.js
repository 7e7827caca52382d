// Edge devices through azure-iothub's Registry: their modules set at once, and who is behind whom.

'use strict';

const assert = require('assert');
const { registry, registryFor, newId, newDevice, removeMade, refused, plain } = require('./support');

const edgeDevice = (more = {}) => newDevice({ capabilities: { iotEdge: true }, ...more });

function manifest(image) {
  const docker = (name) => ({ type: 'docker', settings: { image: name, createOptions: '{}' } });
  return {
    modulesContent: {
      $edgeAgent: {
        'properties.desired': {
          schemaVersion: '1.1',
          runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25' } },
          systemModules: { edgeAgent: docker('agent:1.5'), edgeHub: { ...docker('hub:1.5'), status: 'running' } },
          modules: { sensor: { ...docker(image), version: '1.0', status: 'running', restartPolicy: 'always' } },
        },
      },
      $edgeHub: {
        'properties.desired': {
          schemaVersion: '1.2',
          routes: { up: 'FROM /messages/* INTO $upstream' },
          storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
        },
      },
      sensor: { 'properties.desired': { interval: 5 } },
    },
  };
}

async function desired(deviceId, moduleId) {
  const { responseBody: twin } = await registry.getModuleTwin(deviceId, moduleId);
  return twin.properties.desired;
}

describe('edge devices', () => {
  afterEach(removeMade);

  // shows: azure-iothub | HTTPS | modules of an edge device
  it('have their modules set', async () => {
    const { deviceId } = await edgeDevice();
    const { httpResponse } = await registry.applyConfigurationContentOnDevice(deviceId, manifest('sensor:1'));
    assert.strictEqual(httpResponse.statusCode, 204);
    for (const [moduleId, content] of Object.entries(manifest('sensor:1').modulesContent)) {
      const section = await desired(deviceId, moduleId);
      assert.deepStrictEqual(plain(section), content['properties.desired'], moduleId);
      assert.strictEqual(section.$version, 2, moduleId);
    }
    const { responseBody: sensor } = await registry.getModule(deviceId, 'sensor');
    assert.strictEqual(sensor.managedBy, 'iotEdge');
    assert.strictEqual(sensor.authentication.type, 'none');
  });

  it('have parts of their modules set', async () => {
    const { deviceId } = await edgeDevice();
    await registry.applyConfigurationContentOnDevice(deviceId, manifest('sensor:1'));
    await registry.applyConfigurationContentOnDevice(deviceId, {
      modulesContent: {
        $edgeAgent: { 'properties.desired.modules.extra': { type: 'docker' } },
        $edgeHub: { 'properties.desired.routes.more': 'FROM /x INTO $upstream' },
        sensor: { 'properties.desired.limits.high': 5, 'properties.desired.interval': null },
      },
    });
    const agent = await desired(deviceId, '$edgeAgent');
    assert.deepStrictEqual(Object.keys(agent.modules), ['sensor', 'extra']);
    assert.strictEqual(agent.$version, 3);
    assert.deepStrictEqual(Object.keys((await desired(deviceId, '$edgeHub')).routes), ['up', 'more']);
    assert.deepStrictEqual(plain(await desired(deviceId, 'sensor')), { limits: { high: 5 } });
  });

  it('are not set what makes no sense', async () => {
    const { deviceId } = await edgeDevice();
    const { deviceId: plainId } = await newDevice();
    const apply = (id, content) => registry.applyConfigurationContentOnDevice(id, content);
    const invalid = (content) => refused('ArgumentError', 'InvalidConfigurationContent', apply(deviceId, content));
    await invalid({ modulesContent: { sensor: { 'properties.desire': {} } } });
    await invalid({ modulesContent: { sensor: { 'properties.desired': { 'a b': 1 } } } });
    await invalid({ deviceContent: { 'properties.desired.a': 1 } });
    await refused('ArgumentError', 'ArgumentInvalid', apply(plainId, manifest('sensor:1')));
    await refused('DeviceNotFoundError', 'DeviceNotFound', apply(newId(), manifest('sensor:1')));
    await refused(
      'UnauthorizedError',
      'IotHubUnauthorizedAccess',
      registryFor('service').applyConfigurationContentOnDevice(deviceId, manifest('sensor:1')),
    );
    const { responseBody: modules } = await registry.getModulesOnDevice(deviceId);
    assert.deepStrictEqual(modules.map((module) => module.moduleId).sort(), ['$edgeAgent', '$edgeHub']);
  });

  it('are no edge devices any more when an operator says so', async () => {
    const parent = await edgeDevice();
    const child = await edgeDevice({ parentScopes: [parent.deviceScope] });
    const { responseBody: leaf } = await registry.update({ ...child, capabilities: { iotEdge: false } });
    assert.strictEqual(leaf.deviceScope, parent.deviceScope);
    assert.deepStrictEqual(leaf.parentScopes, [parent.deviceScope]);
    const { responseBody: modules } = await registry.getModulesOnDevice(child.deviceId);
    assert.deepStrictEqual(modules, []);
  });

  it('are not behind themselves', async () => {
    const parent = await edgeDevice();
    const child = await edgeDevice({ parentScopes: [parent.deviceScope] });
    const circle = registry.update({ ...parent, parentScopes: [child.deviceScope] });
    await refused('ArgumentError', 'InvalidDeviceScope', circle);
  });
});
