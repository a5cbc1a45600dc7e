/** Collects the events that an input means for the application. They are sent after the new state is there. */
export type Say<M> = <K extends keyof M>(name: K, event: M[K]) => void;
