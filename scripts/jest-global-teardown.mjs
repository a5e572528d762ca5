export default async function stopTestCluster() {
  await globalThis.florinTestCluster?.stop();
}
