// The one error of `npm start` that a person can do something about: printed as its sentences, without a stack.

export class StartError extends Error {}
