/** Ways to write a path that some proxy or router reads as the plain path. */
export function writings(path: string): string[] {
  const name = path.slice(1);
  const encode = (character = "") => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return [
    ...[path, `/${encode(name[0])}${name.slice(1)}`, `/${[...name].map(encode).join("")}`],
    ...[`/%25${encode(name[0]).slice(1)}${name.slice(1)}`, `/${name.toUpperCase()}`, `%2F${name}`.replace(/^/, "/")],
    ...[`/${path}`, `${path}/`, `/.${path}`, `/x/..${path}`, `/%2e${path}`, `/x/%2e%2e${path}`],
    ...[`${path}?x`, `${path};x`, `${path}%00`, `${path}%20`, `${path}.`, `/socket.io/..${path}`],
  ];
}
