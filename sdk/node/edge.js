// `skerry edge` beside the hub, without a container engine: at its own address and name.

'use strict';

const assert = require('assert');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { execFileSync, spawn } = require('child_process');
const { Registry } = require('azure-iothub');
const { call, connectionString, host, registry, until } = require('./support');

const NAME = 'edge1.plant.test';
const ADDRESS = '127.0.0.2';
// What the edge's hub speaks to its own.
const UPSTREAM = process.env.SKERRY_TEST_UPSTREAM || 'Mqtt';

function isOpen() {
  return new Promise((resolve) => {
    const probe = net.connect(8883, ADDRESS, () => probe.end(() => resolve(true)));
    probe.on('error', () => resolve(false));
  });
}

class Edge {
  constructor(id, routes) {
    this.id = id;
    this.routes = routes;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-'));
    this.places = ['--data', path.join(this.folder, 'data'), '--sockets', path.join(this.folder, 'run')];
  }

  // Registered, with its routes, and running.
  async begin(more = '') {
    const { responseBody: device } = await registry.create({ deviceId: this.id, capabilities: { iotEdge: true } });
    this.scope = (await registry.get(this.id)).responseBody.deviceScope;
    const image = (name) => ({ type: 'docker', status: 'running', restartPolicy: 'always', settings: { image: name + ':1' } });
    const runtime = { type: 'docker', settings: {} };
    const agent = { schemaVersion: '1.1', runtime, modules: {}, systemModules: { edgeAgent: image('a'), edgeHub: image('h') } };
    agent.systemModules.edgeHub.env = { UpstreamProtocol: { value: UPSTREAM } };
    const hub = { schemaVersion: '1.1', routes: this.routes, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } };
    await Registry.fromConnectionString(connectionString('iothubowner')).applyConfigurationContentOnDevice(this.id, {
      modulesContent: { $edgeAgent: { 'properties.desired': agent }, $edgeHub: { 'properties.desired': hub } },
    });
    const key = device.authentication.symmetricKey.primaryKey;
    this.config = path.join(this.folder, 'config.toml');
    fs.writeFileSync(
      this.config,
      `hostname = "${NAME}"\n${more}` +
        `[provisioning]\nsource = "manual"\nconnection_string = "HostName=${host};DeviceId=${this.id};SharedAccessKey=${key}"\n` +
        `[moby_runtime]\nuri = "unix://${this.folder}/no-engine.sock"\nnetwork = "azure-iot-edge"\n` +
        `[skerry]\nhub_ca_cert = "file://${process.env.SKERRY_TEST_CA}"\nedge_hub_listen = ["${ADDRESS}"]\n`,
    );
    execFileSync(process.env.SKERRY_BIN, ['iotedge', ...this.places, 'config', 'apply', '-c', this.config], { stdio: 'pipe' });
    await this.start();
  }

  async start() {
    const log = fs.openSync(path.join(this.folder, 'edge.log'), 'a');
    const words = ['edge', 'run', '--config', this.config, ...this.places, '--metrics', 'off'];
    this.process = spawn(process.env.SKERRY_BIN, words, { stdio: ['ignore', 'ignore', log] });
    this.ended = new Promise((resolve) => this.process.on('exit', (code) => resolve(code)));
    await until('the edge is there', isOpen);
    this.trust = (await this.ask('/trust-bundle?api-version=2019-01-30')).certificate;
  }

  async stop() {
    this.process.kill();
    assert.strictEqual(await this.ended, 0, this.log());
  }

  async end() {
    await this.stop();
    await registry.delete(this.id);
    fs.rmSync(this.folder, { recursive: true });
  }

  log() {
    return fs.readFileSync(path.join(this.folder, 'edge.log'), 'utf8');
  }

  // The workload API of whoever is on the machine.
  ask(what) {
    return new Promise((resolve, reject) => {
      const request = http.get({ socketPath: path.join(this.folder, 'run', 'workload.sock'), path: what }, (response) => {
        let text = '';
        response.on('data', (piece) => (text += piece));
        response.on('end', () => resolve(JSON.parse(text)));
      });
      request.on('error', reject);
    });
  }
}

module.exports = { Edge, NAME, UPSTREAM, call };
