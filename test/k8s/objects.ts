// biome-ignore lint/suspicious/noExplicitAny: what it has inside is for the schemas to say
export type KubeObject = { apiVersion: string; kind: string; metadata: any; [field: string]: any };

export const nameOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

/** The only one of its kind, or of its kind and name. */
export function the(objects: KubeObject[], kind: string, name?: string): KubeObject {
  const found = objects.filter((one) => one.kind === kind && (name === undefined || one.metadata.name === name));
  if (found.length !== 1) throw new Error(`There are ${found.length} of ${kind} ${name ?? ""}, not one.`);
  return found[0] as KubeObject;
}

export type Labels = Record<string, string>;
type Expression = { key: string; operator: string; values: string[] };
export type Selector = { matchLabels?: Labels; matchExpressions?: Expression[] };

export function fits({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  const inList = ({ key, operator, values }: Expression) => operator === "In" && values.includes(labels[key] as string);
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) && matchExpressions.every(inList);
}

export const workloads = (objects: KubeObject[]) =>
  objects.filter(({ kind }) => ["Deployment", "StatefulSet"].includes(kind));
export const podOf = ({ spec }: KubeObject) => spec.template;
export const portsOf = (pod: KubeObject["spec"]): { name: string; containerPort: number }[] =>
  pod.spec.containers.flatMap((container: { ports: object[] }) => container.ports);
export const serviceContainer = (objects: KubeObject[]) =>
  podOf(the(objects, "Deployment", "chat-backend")).spec.containers[0];
export const configOf = (objects: KubeObject[]): Labels => {
  const name = serviceContainer(objects).envFrom[0].configMapRef.name;
  return the(objects, "ConfigMap", name).data;
};
