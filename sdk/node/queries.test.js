// Queries through azure-iothub's Query.

'use strict';

const assert = require('assert');
const { execFile } = require('child_process');
const { promisify } = require('util');
const { registry, newId, newDevice, removeMade, refused } = require('./support');

describe('queries', () => {
  let ids;
  let where;

  beforeEach(async () => {
    const prefix = newId();
    ids = [];
    for (let number = 0; number < 5; number++) {
      const { deviceId } = await newDevice();
      ids.push(deviceId);
      const tags = { group: prefix, number, place: number % 2 ? 'odd' : 'even' };
      await registry.updateTwin(deviceId, { tags }, '*');
    }
    where = `WHERE tags.group = '${prefix}'`;
  });

  afterEach(removeMade);

  async function pages(query, next) {
    const found = [];
    while (query.hasMoreResults) found.push((await query[next]()).result);
    return found;
  }

  // shows: azure-iothub | HTTPS | queries
  it('give twins that can be used', async () => {
    const query = registry.createQuery(`SELECT * FROM devices ${where} AND tags.number = 3`);
    const { result, message } = await query.nextAsTwin();
    assert.strictEqual(message.headers['x-ms-item-type'], 'Twin');
    assert.strictEqual(query.hasMoreResults, false);
    assert.strictEqual(result.length, 1);
    const [twin] = result;
    assert.deepStrictEqual(twin.toJSON(), (await registry.getTwin(ids[3])).responseBody.toJSON());
    await twin.update({ tags: { seen: true } });
    assert.strictEqual((await registry.getTwin(ids[3])).responseBody.tags.seen, true);
  });

  for (const size of [1, 2, 5, 100]) {
    it(`come in pages of ${size}, each device once`, async () => {
      const found = await pages(registry.createQuery(`SELECT * FROM devices ${where}`, size), 'nextAsTwin');
      for (const page of found) assert.ok(page.length <= size);
      assert.deepStrictEqual(found.flat().map((twin) => twin.deviceId).sort(), [...ids].sort());
      assert.ok(found.length <= Math.ceil(5 / size) + 1, `${found.length} pages`);
    });
  }

  it('go on in a new query with a continuation', async () => {
    const text = `SELECT deviceId FROM devices ${where}`;
    const first = registry.createQuery(text, 2);
    const { result: begun } = await first.next();
    const { result: next } = await first.next(first.continuationToken);
    const again = registry.createQuery(text, 2);
    const token = (await again.next(), again.continuationToken);
    const { result: same } = await registry.createQuery(text, 2).next(token);
    assert.strictEqual(begun.length, 2);
    assert.deepStrictEqual(same, next);
  });

  it('go on after the hub was started anew', async () => {
    const query = registry.createQuery(`SELECT * FROM devices ${where}`, 2);
    const found = [...(await query.nextAsTwin()).result];
    await promisify(execFile)('sh', [process.env.SKERRY_TEST_HUB, 'restart']);
    while (query.hasMoreResults) found.push(...(await query.nextAsTwin()).result);
    assert.deepStrictEqual(found.map((twin) => twin.deviceId).sort(), [...ids].sort());
  });

  it('give rows, aggregates and groups', async () => {
    const rows = await registry.createQuery(`SELECT deviceId, tags.number AS n FROM devices ${where} AND tags.number < 2`).next();
    assert.strictEqual(rows.message.headers['x-ms-item-type'], 'Raw');
    assert.deepStrictEqual(
      rows.result.sort((a, b) => a.n - b.n),
      [{ deviceId: ids[0], n: 0 }, { deviceId: ids[1], n: 1 }],
    );
    const sums = await registry.createQuery(`SELECT COUNT() AS n, AVG(tags.number) AS mean FROM devices ${where}`).next();
    assert.deepStrictEqual(sums.result, [{ n: 5, mean: 2 }]);
    const groups = await registry
      .createQuery(`SELECT tags.place AS place, COUNT() AS n FROM devices ${where} GROUP BY tags.place`)
      .next();
    assert.deepStrictEqual(
      groups.result.sort((a, b) => a.n - b.n),
      [{ place: 'odd', n: 2 }, { place: 'even', n: 3 }],
    );
  });

  it('find modules', async () => {
    for (const moduleId of ['m1', 'm2', 'm3']) await registry.addModule({ deviceId: ids[0], moduleId });
    const text = `SELECT * FROM devices.modules WHERE deviceId = '${ids[0]}'`;
    const found = (await pages(registry.createQuery(text, 2), 'nextAsTwin')).flat();
    assert.deepStrictEqual(found.map((twin) => twin.moduleId).sort(), ['m1', 'm2', 'm3']);
    await found[0].update({ tags: { lid: true } });
    const { result } = await registry.createQuery(`SELECT moduleId FROM devices.modules WHERE tags.lid = true AND deviceId = '${ids[0]}'`).next();
    assert.deepStrictEqual(result, [{ moduleId: found[0].moduleId }]);
  });

  it('that are none are refused with a reason', async () => {
    for (const text of ['SELEKT * FROM devices', 'SELECT * FROM things', "SELECT * FROM devices WHERE tags.a = 'open"]) {
      await refused('ArgumentError', 'ArgumentInvalid', registry.createQuery(text).next());
    }
    await refused('ArgumentError', 'ArgumentInvalid', registry.createQuery(`SELECT * FROM devices ${where}`).next('made up'));
  });
});
