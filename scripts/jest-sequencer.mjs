// The longest suites first: they wait more than they compute, so the many short ones fit beside them, and none is left to run alone
// at the end. Without a cache of earlier times (a new machine) jest would go by size of file.
import Sequencer from "@jest/test-sequencer";

const long = [
  "test/chaos/fault-points",
  "test/chaos/",
  "test/distributed",
  "test/concurrent-transfers",
  "packages/db/test/failover-client",
  "packages/events/test/redis-",
];

const rank = ({ path }) => {
  const at = long.findIndex((part) => path.includes(part));
  return at < 0 ? long.length : at;
};

export default class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}
